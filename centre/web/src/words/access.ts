/** Words for keyboards, screen readers and the wall, Chinese and English. */

export const ACCESS_WORDS = {
  cardOf: ["所选告警", "Chosen alarm"],
  skip: ["跳到违规列表", "Skip to the violations"],
  windowAt: ["细部 {a} – {b}，左右键移动", "Detail {a} – {b}; arrow keys move it"],
  saidLost: ["与中心的连接中断", "The connection to the centre is lost"],
  saidLive: ["连接恢复", "The connection is back"],
  retrying: ["正在重连", "connecting"],
} as const satisfies Record<string, readonly [string, string]>;
