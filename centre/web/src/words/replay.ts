/** Words for replay of recorded traffic, Chinese and English. */

export const REPLAY_WORDS = {} as const satisfies Record<string, readonly [string, string]>;
