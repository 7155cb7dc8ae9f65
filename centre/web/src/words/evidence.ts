/** Words for evidence, warnings to drivers, other systems, Chinese and English. */

export const EVIDENCE_WORDS = {
  camera: ["摄像机", "Camera"],
  evWaiting: ["证据包：排队中", "Evidence: waiting"], evFetching: ["证据包：读取 RSU 录像 {p}", "Evidence: fetching the RSU's recording {p}"],
  evPacking: ["证据包：打包签名", "Evidence: packing and signing"], evReady: ["下载证据包 {s}", "Download evidence {s}"],
  evFailed: ["证据包未生成：{r}", "No evidence file: {r}"], evDeleted: ["证据包已删除：{r}", "Evidence file deleted: {r}"],
  evMissing: ["缺 {n} 项", "lacks {n}"], evWhole: ["完整", "whole"],
  warnText: ["警示文字（不超过 100 字，终端显示并播报）", "Text (at most 100 characters, shown and spoken by the terminal)"],
  warnSend: ["发送", "Send"], warnCancel: ["取消", "Cancel"],
  warn_sending: ["警示发送中", "Warning: sending"], warn_sent: ["警示已发出，待终端应答", "Warning sent, no answer yet"],
  warn_delivered: ["警示已送达，终端已应答", "Warning delivered: the terminal answered"], warn_refused: ["终端拒绝警示", "The terminal refused the warning"],
  warn_not_connected: ["终端未连接，警示未送达", "Terminal not connected: not warned"],
  warn_no_answer: ["终端 10 秒内无应答", "No answer of the terminal within 10 s"],
  warn_unanswered: ["网关无应答，结果不明", "No answer of the gateway: outcome unknown"],
  warn_unsent: ["警示未发出：消息代理中断", "Not sent: the broker is away"], warn_unsupported: ["网关不支持", "The gateway can't do it"],
  warn_overloaded: ["网关忙，未发送", "The gateway is busy: not sent"],
  why_no_gateway: ["本站无终端网关", "The site has no gateway"], why_no_terminal: ["车辆终端未知", "The vehicle's terminal is unknown"],
  why_warned: ["该终端本次事件已警示过", "This terminal was warned of this event already"],
  why_exercise: ["演练：无证据包，不警示", "an exercise: no evidence, no warning"],
  why_loading: ["读取中", "loading"],
  why_disconnected: ["与中心的连接中断", "no connection to the centre"], actFailed: ["操作失败：{r}", "Failed: {r}"],
  deadLetters: ["外部平台有 {n} 条告警未能送达", "{n} events could not be delivered to other platforms"],
} as const satisfies Record<string, readonly [string, string]>;
