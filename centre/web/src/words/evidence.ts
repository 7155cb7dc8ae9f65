/** Words for evidence, warnings to drivers, other systems, Chinese and English. */

export const EVIDENCE_WORDS = {} as const satisfies Record<string, readonly [string, string]>;
