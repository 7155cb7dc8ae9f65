/** Words for search, pages of vehicles and units, statistics, Chinese and English. */

export const SEARCH_WORDS = {} as const satisfies Record<string, readonly [string, string]>;
