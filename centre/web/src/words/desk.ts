/** Words for the worklist: what is done with alarms, Chinese and English. */

export const DESK_WORDS = {} as const satisfies Record<string, readonly [string, string]>;
