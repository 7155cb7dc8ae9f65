/** Words for signing in, accounts and the log of acts, Chinese and English. */

export const ACCOUNTS_WORDS = {} as const satisfies Record<string, readonly [string, string]>;
