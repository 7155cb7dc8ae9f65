/** Every word of the page, Chinese and English; nothing else in the page holds text for people. */

import { ACCESS_WORDS } from "./words/access.ts";
import { ACCOUNTS_WORDS } from "./words/accounts.ts";
import { DESK_WORDS } from "./words/desk.ts";
import { REPLAY_WORDS } from "./words/replay.ts";
import { SEARCH_WORDS } from "./words/search.ts";
import { EVIDENCE_WORDS } from "./words/evidence.ts";

export type Lang = "zh" | "en";

export const WORDS = {
  ...ACCESS_WORDS,
  ...ACCOUNTS_WORDS,
  ...DESK_WORDS,
  ...REPLAY_WORDS,
  ...SEARCH_WORDS,
  ...EVIDENCE_WORDS,
  link: ["连接", "Link"], live: ["实时", "Live"], lost: ["中断", "Lost"], late: ["迟到", "Late"], loading: ["读取中", "Loading"],
  openN: ["未结束", "Open"], trucks: ["在途危化车", "Hazmat trucks"], others: ["其他车辆", "Other vehicles"],
  rsuOnline: ["RSU 在线", "RSU online"], judgeable: ["可判定里程", "Judgeable length"],
  latency99: ["传感→入库 p99", "sensor→commit p99"], light: ["浅色", "Light"], dark: ["深色", "Dark"],
  synthetic: ["合成地图", "synthetic map"], mapped: ["监管台", "supervision"],
  whole: ["道路全程", "Whole road"], detail: ["细部", "Detail"], map: ["地图", "Map"], rsuHealth: ["RSU 状态", "RSU health"],
  list: ["违规", "Violations"],
  northUp: ["左 = K0", "left = K0"], nb: ["北行", "NB"], sb: ["南行", "SB"], nbArrow: ["← 北行", "← NB"], sbArrow: ["南行 →", "SB →"],
  hazLane: ["危化道", "HAZMAT"], mixLane: ["混行道", "mixed"], carLane: ["客车道", "cars"], otherLane: ["车道", "lane"],
  hazShort: ["危", "HAZ"], haz: ["危化", "HAZ"], mix: ["混行", "MIX"], car: ["客车", "CAR"], ramp: ["匝道", "RAMP"], outside: ["车道外", "off lanes"],
  radar: ["雷达", "Radar"], legendTruck: ["▸ 危化车", "▸ hazmat truck"], legendOther: ["❘ 其他车辆，仅雷达覆盖处可见", "❘ other (radar cover only)"],
  legendPresumed: ["( ) 推定身份", "( ) presumed"], presumed: ["推定，概率 {p}", "presumed, p {p}"],
  legendOtherShort: ["❘ 其他车辆", "❘ other"],
  oneStretch: ["1 段", "1 stretch"], nStretches: ["{n} 段", "{n} stretches"], scale: ["横向按真实比例", "lateral at true scale"],
  drawn: ["车身轮廓 ± 1σ · 4 s 速度矢 · 30 s 尾迹", "footprint ± 1σ · 4 s speed vector · 30 s tail"], pan: ["[ ] 平移", "[ ] pan"],
  sameTurn: ["与道路带同向", "same turn as the strip"], closeUp: ["近景", "Close-up"],
  closeDragged: ["已拖动，Esc 复位", "dragged, Esc returns"], following: ["跟随", "following"], fit: ["全程", "Whole road"],
  endedAt: ["{t} 结束", "ended {t}"], lastSeen: ["{t} 前所见", "seen {t} ago"],
  placeOf: ["{t} 结束处", "where it ended, {t}"], lastPlace: ["{t} 前所见处", "last seen here {t} ago"],
  violation: ["违规", "Violation"], warning: ["预警", "Warning"], notice: ["提示", "Notice"], undecidable: ["不可判定", "Undecidable"],
  violationS: ["违规", "VIOL"], warningS: ["预警", "WARN"], noticeS: ["提示", "NOTE"], undecidableS: ["不可判", "UNDEC"],
  online: ["在线", "online"], offline: ["离线", "offline"], never: ["未接入", "never seen"], silent: ["无数据", "silent"],
  staleBeat: ["心跳迟", "beat late"],
  since: ["自", "since"], lastKnown: ["最后已知 {n} 车", "last known: {n}"], notJudged: ["不可判定", "undecidable"],
  lane_departure: ["偏离车道", "Lane departure"], overspeed: ["超速", "Overspeed"], illegal_stop: ["违规停车", "Illegal stop"],
  dark_vehicle: ["无定位车辆", "Dark vehicle"], off_dedicated_road: ["驶离专用道路", "Off dedicated road"], ghost_report: ["虚假位置", "Ghost report"],
  wrong_way: ["逆行", "Wrong way"], too_slow: ["低速行驶", "Too slow"], zone_entry: ["进入区域", "Zone entry"], zone_exit: ["离开区域", "Zone exit"],
  time_window: ["时段违规", "Time window"], route_deviation: ["偏离路线", "Route deviation"], missed_exit: ["错过出口", "Missed exit"],
  following_distance: ["车距过近", "Following distance"], unauthorised_vehicle: ["无许可车辆", "Unauthorised vehicle"],
  gnss_integrity: ["卫导异常", "GNSS integrity"],
  permit: ["通行许可", "Permit"], driving_time: ["驾驶时间", "Driving time"],
  closed_road: ["驶入封闭路段", "Closed road"], convoy: ["危化车过密", "Convoy"],
  parking_timeout: ["停车超时", "Parking timeout"],
  of_lane: ["车道限速", "lane"], of_road: ["道路限速", "road"], of_class: ["车型限速", "vehicle class"], of_hazmat_class: ["货物类别限速", "cargo class"],
  of_zone: ["区域限速", "zone"], of_time: ["时段限速", "time of day"], of_weather: ["天气限速", "weather"],
  unknown: ["未识别", "Unidentified"], noPosition: ["无定位上报", "no position"], new: ["新", "NEW"], logged: ["记录", "Logged"],
  clockUnset: ["RSU 时钟未校准，时间按到达估计", "RSU clock not set: times by arrival"], clockUnsetS: ["RSU 时钟未校准", "RSU clock not set"],
  clockUnsetCard: ["{t} 到达中心", "arrived at {t}"],
  returning: ["返回中", "returning"], rsuOff: ["RSU 离线", "RSU off"], asOf: ["截至 {t}", "as of {t}"], pAsOf: ["概率 {t}", "P at {t}"],
  open: ["未结束", "Open"], ended: ["已结束", "Ended"], lateMark: ["补报", "Late"],
  terminalAlarm: ["终端亦报警", "terminal alarms too"], terminalSilent: ["终端未报警", "terminal silent"],
  secRecord: ["仅记录 · 不告警", "Record only · no alarm"], newest: ["最新", "newest"],
  showAll: ["全部 {n}", "all {n}"], showFew: ["只看最新", "newest only"],
  older: ["更早 ›", "older ›"], newer: ["‹ 更新", "‹ newer"], pageOf: ["第 {a}–{b} 行，共 {n}", "{a}–{b} of {n}"],
  waitAbove: ["上方还有 {n} 条未确认", "{n} not acknowledged above"],
  newOpen: ["{n} 条新的未结束告警", "{n} new open"], showNow: ["点击显示", "click to show"], catchUp: ["正在补报，还有 {n} 条", "catching up, {n} to come"],
  cGrade: ["等级", "Grade"], cBegan: ["开始", "began"], cPlate: ["车牌", "Plate"], cUn: ["UN · 类", "UN · class"], cRule: ["规则", "Rule"],
  cPlace: ["位置", "Place"],
  cExcess: ["越限", "Excess"], cLasted: ["持续", "Lasted"], cProb: ["概率", "prob."], cAge: ["距今", "Age"], cState: ["状态", "state"],
  max: ["最大", "max"], classN: ["类", ""], hold: ["顺序暂停", "order held"], arrived: ["变动", "changed"],
  keys: ["J K 移动 · A 确认 · ? 按键", "J K move · A ack · ? keys"],
  excess: ["越限", "Excess"], lasted: ["持续", "Lasted"], prob: ["违规概率", "P(violation)"], probS: ["概率", "P(viol.)"], speed: ["速度", "Speed"],
  limit: ["限", "limit"], sigma: ["横向 1σ", "Lateral 1σ"],
  leftEdge: ["左缘 ±1σ", "left edge ±1σ"], rightEdge: ["右缘 ±1σ", "right edge ±1σ"], laneLine: ["车道标线", "lane line"],
  centre: ["车中心", "centre"], mid: ["中线", "mid"],
  speedLine: ["速度", "speed"], limitLine: ["限速", "limit"], decided: ["判定", "decided"], crossed: ["压线", "crossed"], started: ["开始", "began"],
  handover: ["交接", "handover"],
  pv: ["P(违规)", "P(violation)"], latency: ["时延", "Latency"], s1: ["传感→到达", "sensor→arrival"], s2: ["检测", "detect"],
  s3: ["上送→入库", "send→commit"],
  total: ["合计", "total"], byTick: ["由定时判定，不计时延", "decided by tick: no latency sample"], arrivedToCommit: ["到达→入库", "arrival→commit"],
  identity: ["身份", "Identity"], event: ["事件", "id"], upTo: ["升为", "raised to"], opened: ["开始", "opened"], closed: ["结束", "ended"],
  ownerTo: ["交接", "handover"], sameId: ["同一事件", "same id"],
  noEvidence: ["此版本未附依据曲线", "this version carries no evidence columns"], loadingEvidence: ["读取依据…", "loading evidence…"],
  notFound: ["找不到该事件", "no such event"],
  select: ["选中一行、一个标记或一辆车，此处显示其依据。", "Select a row, a mark or a truck to see its evidence here."],
  cRsu: ["RSU", "RSU"], cRsuState: ["状态", "State"], cStretch: ["桩号段 km", "Stretch km"], cClock: ["钟差 ms", "Clock ms"],
  cOutbox: ["积压", "Outbox"],
  cP99: ["p99 ms", "p99 ms"], cBeat: ["心跳 s", "Beat s"], cSensors: ["雷达", "Sensors"], counters: ["计数", "counters"],
  noCounters: ["无计数", "no counters"],
  stored: ["已入库", "stored"], missing: ["缺", "missing"], versionW: ["版本", "version"], mapW: ["地图", "map"], rulesW: ["规则", "rules"],
  gateway: ["网关", "gateway"],
  waitBeat: ["等待首个心跳（2 s）…", "waiting for the first heartbeat (2 s)…"], waitVehicles: ["等待车辆数据…", "waiting for vehicles…"],
  pose_learning: ["位姿学习中", "pose: learning"], pose_fits: ["位姿与勘测一致", "pose fits its survey"],
  pose_corrected: ["位姿已校正", "pose corrected"], pose_wrong: ["位姿有偏差，未校正", "pose off, not corrected"],
  pose_beyond: ["位姿偏差超限", "pose off beyond its bounds"], pose_drifting: ["位姿漂移", "pose drifts"],
  poseEast: ["东", "east"], poseNorth: ["北", "north"], poseTurn: ["转角", "turned"], poseTime: ["时间", "time"], poseRange: ["距离", "range"],
  poseApplied: ["已用", "applied"], poseSince: ["学习始于", "learns since"], poseTrucks: ["{n} 辆", "{n} trucks"],
  clockPutRight: ["已修正", "put right"], clockMore: ["其他终端时钟异常", "further terminals"], clockWrong: ["时钟异常", "wrong clocks"],
  clock: ["时钟异常", "clock wrong"],
  north: ["北", "N"],
  frozen: ["画面停在", "Picture frozen at"],
  emptyTitle: ["当前无未结束违规。", "No open violation."],
  emptyJudging: ["正在判定 {n} 辆危化车，覆盖 {a} / {b} km。", "Judging {n} hazmat trucks on {a} of {b} km."],
  emptyNot: ["未判定：{n} {a} km（道路带上斜线处）。", "Not judged: {n}, {a} km (hatched on the strip)."],
  emptyLast: ["上一次告警 {t}。", "Last alarm {t}."], emptyNone: ["本库尚无告警。", "No alarm on record yet."],
  loadTitle: ["正在读取…", "Loading…"], loadSite: ["站点与规则", "site and rules"], loadMap: ["地图", "map"], loadList: ["违规", "violations"],
  loadRsus: ["RSU", "RSUs"], loadVehicles: ["车辆快照", "vehicle snapshots"],
  loadNote: ["五项全部打勾之前，本屏不代表道路状态。", "Nothing is judged on this screen until all five are ticked."],
  lostTitle: ["与中心的连接已中断 {t}", "Link to the centre lost for {t}"],
  lostText: [
    "画面停在 {t}。此后的情况未知；RSU 判定的违规由其保存，恢复后自动补齐。",
    "You see the road as of {t}; what came since is not known. RSUs keep what they judge, and it is shown after reconnection.",
  ],
  lostRetry: ["第 {n} 次重试", "Attempt {n}"], retryIn: ["{t} 后", "next in {t}"], retryNow: ["立即重试", "Retry now"],
  staleTitle: ["{r} 车辆数据为 {t} 前", "Vehicles of {r} are {t} old"], staleAll: ["所有车辆数据为 {t} 前", "All vehicles are {t} old"],
  staleNone: ["尚无车辆快照", "No vehicle snapshot yet"],
  staleText: ["空心 = 最后已知位置，外推不超过 1 s。", "Hollow = last known position; not extrapolated beyond 1 s."],
  staleArrive: ["违规仍正常到达。", "Violations still arrive."], staleOff: ["无 RSU 心跳，暂无违规到达。", "No RSU is heard: no violation arrives."],
  lossRsus: ["{r} 自 {t} 离线", "{r} off since {t}"], lossMany: ["{n}/{m} 个 RSU 离线，最早自 {t}", "{n} of {m} RSUs off, first since {t}"],
  lossAll: ["全部 {n} 个 RSU 离线，最早自 {t}：道路无人监管", "All {n} RSUs off, first since {t}: the road is not supervised"],
  lossNever: ["没有 RSU 在线：道路无人监管", "No RSU is online: the road is not supervised"],
  lossGatewayNever: ["网关 {r} 未接入，无定位车辆不判定", "Gateway {r} was never seen: dark vehicles are not judged"],
  lossRsuNever: ["{r} 有未结束违规但无心跳", "{r} has open violations and sends no heartbeat"],
  lossGateway: ["网关 {r} 自 {t} 离线，无定位车辆暂不判定", "Gateway {r} off since {t}: dark vehicles are not judged"],
  lossOpen: ["{n} 条未结束违规停在最后已知状态。", "{n} open shown as last known."], beforeStart: ["中心启动前", "before the centre started"],
  noRsu: ["无 RSU", "no RSU"], gatewayNever: ["{r} 未接入", "{r} never seen"], nOff: ["{n} 离线", "{n} off"],
  neverHeard: ["{r} 无心跳", "{r} sends no heartbeat"], noNews: ["{r} 自 {t} 未再更新", "{r}: no update since {t}"],
  noUpdate: ["未更新", "no update"],
  brokerSince: ["中心与消息代理自 {t} 断开", "no link to the RSUs since {t}"],
  databaseSince: ["中心数据库自 {t} 故障", "the centre's database fails since {t}"],
  lossBroker: [
    "中心与消息代理自 {t} 断开：RSU 状态未知，无违规到达", "The centre is cut off from the message broker since {t}: nothing arrives, no RSU's state is known",
  ],
  lossDatabase: [
    "中心数据库自 {t} 故障（{r}）：新违规不显示，由 RSU 保存", "The centre's database fails since {t} ({r}): new violations are not shown, RSUs keep them",
  ],
  brokerOff: ["消息代理断开", "no broker"], databaseOff: ["数据库故障", "database fault"],
  offSince: ["{r} 自 {t} 离线", "{r} off since {t}"], lastValues: ["数值截至 {t}", "as of {t}"],
  liveValues: ["车辆数值实时 · 持续与概率截至 {t}", "vehicle live · lasted and P as of {t}"],
  dataOld: ["数据为 {t} 前", "data {t} old"],
  footDelivery: ["送达", "Delivery"], footStored: ["在案总数", "all on record"], footMissing: ["缺失", "missing"],
  askedN: ["正在索取", "asked for"], recoveredN: ["已取回", "recovered"], itemsLost: ["已无任何文件保存的违规", "violations that no file holds"],
  footQuarantine: ["隔离", "quarantined"], footOutbox: ["RSU 积压", "RSU outboxes"],
  footHour: ["近 1 小时", "last hour"],
  footBars: ["近 2 小时每 10 分钟", "last 2 h, per 10 min"],
  board: ["在途", "On the road"], toRoad: ["道路", "Road"], overdue: ["超时未出", "overdue"], overdueBy: ["超时 {t}", "overdue by {t}"],
  waybill: ["运单 {n}", "waybill {n}"],
  contactLost: ["失联", "contact lost"], byBoth: ["雷达 + 终端", "radar + terminal"], byTerminal: ["终端", "terminal"],
  boardNote: ["每 5 s 刷新 · 单击一行看所在路段", "every 5 s · click a row for its place"], boardEmpty: ["当前无在途车辆。", "Nobody is on the road."],
  leftNone: ["尚无驶出记录。", "Nobody has left yet."],
  boardFailed: ["读取失败，正在重试", "can't be read, trying again"], leftRoad: ["已驶出", "Left"], newestN: ["最新 {n}", "newest {n}"],
  firstSeen: ["首次发现", "first seen"], stands: ["停", "stands"], comma: ["、", ", "],
  cEntry: ["驶入", "In"], cNow: ["所在", "Now"], cProgress: ["进度", "Progress"], cOut: ["预计驶出", "Expected out"], cExit: ["驶出", "Out"],
  cPermit: ["许可", "Permit"],
  cDwell: ["停留", "Stood"], cContact: ["联系", "Contact"], cRules: ["违规", "Violations"], cMeanMax: ["均速 / 最高 km/h", "Mean / max km/h"],
  strangeTerminal: ["终端号被他人使用", "somebody else uses this terminal's number"],
  strangeRadar: ["他人冒用雷达发送数据", "somebody else sends as this radar"],
  deferredN: ["补报 {n}（不计入时延）", "{n} sent later (not in the latency)"],
} as const satisfies Record<string, readonly [string, string]>;

export type Word = keyof typeof WORDS;

/** Reasons why a stretch can't be judged, why an episode ended, and faults of an RSU; one without a word is shown under its own name. */
const REASONS: Readonly<Record<string, readonly [string, string]>> = {
  offline: ["RSU 离线", "RSU offline"], never: ["RSU 未接入", "RSU never seen"], radar_gap: ["雷达间隙", "radar gap"], gap: ["雷达间隙", "radar gap"],
  no_radar: ["雷达间隙", "radar gap"], radar_silent: ["雷达无数据", "radar silent"], silent: ["雷达无数据", "radar silent"],
  no_gateway: ["网关无数据", "no gateway feed"],
  gateway_silent: ["网关无数据", "no gateway feed"], no_map: ["无地图", "no map"], not_accepted: ["雷达未验收", "radar not commissioned"],
  uncommissioned: ["雷达未验收", "radar not commissioned"],
  lost: ["车辆不再可见", "no longer seen"], handover_lost: ["交接未完成", "handover failed"],
  rules_changed: ["规则已变更", "rules changed"],
  map_changed: ["地图已更换", "map changed"],
  disk_full: ["磁盘已满", "disk full"], disk_error: ["磁盘故障", "disk fault"], disk_low: ["磁盘将满", "disk nearly full"],
  disk_read_only: ["磁盘只读", "disk read-only"], outbox_unread: ["告警文件无法读取", "outbox file unreadable"],
  certificate_expires: ["证书30天内到期", "certificate ends within 30 days"],
  certificate_expired: ["证书已到期", "certificate has expired"], insecure: ["未加密连接", "connection without TLS"],
  port_closed: ["端口无法打开，正在重试", "a port can't be opened, it is tried again"],
  forged_messages: ["收到伪造消息", "forged messages received"],
  strange_terminal: ["有人冒用正在上报的终端", "somebody else uses the number of a terminal that reports"],
  strange_radar: ["有人冒用雷达发送数据", "somebody else sends data as a radar"],
  database_aside: ["数据库有问题，需检查", "database needs a look"],
  items_lost: ["违规已丢失，RSU 与中心均无记录", "violations are lost: neither RSU nor centre holds them"],
  asking: ["中心缺失数据，正在向 RSU 索取", "centre lacks data, asks the RSUs for it"],
  history_stopped: ["车辆历史未在保存", "the vehicles' history is not kept"],
  work_fails: ["中心有功能出错，正在重试（违规的入库与确认不受影响）", "part of the centre fails and is tried again (violations are stored and acknowledged)"],
  platform_silent: ["告警事件未送达其他平台，正在重发", "alarms reach no other platform, they are sent again"],
  standby_desk: ["备用中心：本席处置独立，主中心在线时请在主中心处置", "standby centre, a desk of its own: alarms are handled at the main centre while it lives"],
  centre_missing: ["另一中心不在线，违规仅由一个中心确认", "other centre is away: violations are acknowledged by one"],
  workers_absent: ["没有存储进程在线，违规暂不入库、不显示", "no worker lives: violations are neither stored nor shown"],
  worker_silent: ["存储进程无响应", "worker does not answer"],
  workers_behind: ["存储积压（队列中的消息数）", "workers don't keep up; messages in the queue"],
  centre_twin: ["两个中心同名", "two centres have this name"],
  certificate_damaged: ["证书文件损坏", "a certificate file is damaged"],
  centre_clock: ["中心时钟曾跳变，请核对告警时间", "the centre's clock was set: check the times of alerts"],
  centre_shares_database: ["两个中心共用一个数据库", "two centres have one database"],
  outbox_damaged: ["告警库曾损坏，已从记录恢复", "outbox was damaged, rebuilt from recordings"],
  outbox_altered: ["告警数据在磁盘上曾被改变", "an alert was altered on disk"],
  outbox_foreign: ["告警库属于另一台 RSU，已隔离", "outbox was another RSU's, set aside"],
  one_centre: ["仅一个中心在确认", "one centre only acknowledges"], twin: ["编号重复：两台 RSU 同号", "twin: two RSUs have this name"],
  outbox_in_memory: ["告警仅存于内存", "outbox in memory only"], outbox_full: ["告警无处可存", "no room for alerts"],
  registration: ["雷达位姿偏差超限或漂移", "a radar's pose is off or drifts"],
  dragged: ["位置被拖离", "dragged away"], frozen: ["位置冻结", "frozen"],
  overconfident: ["误差远超自报精度", "errors far beyond what it states"], jammed: ["受干扰", "jammed"],
  radar_clock: ["雷达时钟异常", "radar clock wrong"], clock_time_zone: ["时区错误", "time zone"], clock_offset: ["时钟偏差", "clock off"],
  clock_stopped: ["时钟停走", "clock stopped"],
  clock_delay: ["时钟偏慢或上报延迟", "clock behind, or always late"],
  clock_erratic: ["时钟紊乱", "clock erratic"], clock_rollover: ["GPS 周翻转", "GPS week rollover"], clock_registry: ["登记偏差", "registered offset"],
  clock_host: ["RSU 时钟或全部终端偏差", "this RSU's clock, or all terminals alike"], clock_gateway: ["网关时钟偏差", "gateway's clock off"],
  no_permit: ["无通行许可", "no permit"], permit_time: ["不在许可时段", "outside the permit's time"],
  permit_route: ["不在许可路线", "not the permit's way"], permit_used: ["许可已用", "permit used up"],
  tunnel_code: ["隧道限制代码不符", "tunnel closed to its cargo"], off_route: ["偏离许可路线", "off the permit's roads"],
  missed_exit: ["错过出口", "missed its exit"],
  driving_continuous: ["连续驾驶超 4 h（至少）", "over 4 h without a rest, at least"],
  driving_daily: ["24 h 内驾驶超 8 h（至少）", "over 8 h in 24 h, at least"],
  driving_night: ["夜间驾驶超 2 h（至少）", "over 2 h at night, at least"], driving_terminal: ["终端疲劳报警", "the terminal's own alarm"],
  terminal_silent: ["终端无上报", "terminal silent"], off_road: ["路外", "off the road"], rsu_off: ["RSU 离线", "RSU off"],
  end_exit: ["驶出", "exit"], end_left_road: ["路外驶离", "left beside a gate"], end_lost: ["失联", "contact lost"],
  end_again: ["重新驶入", "entered anew"],
  gnss_shaded: ["卫导遮挡", "GNSS shaded"], accuracy: ["定位精度不足", "position too coarse"], sigma: ["定位精度不足", "position too coarse"],
};

let lang: Lang = "zh";

export function setLang(to: Lang): void {
  lang = to;
}

export function getLang(): Lang {
  return lang;
}

export function t(word: Word, values: Readonly<Record<string, string | number>> = {}): string {
  const text: string = WORDS[word][lang === "zh" ? 0 : 1];
  return text.replace(/\{(\w)\}/g, (whole, key: string) => (key in values ? String(values[key]) : whole));
}

/** A number of stretches of road; English has a singular. */
export function stretches(n: number): string {
  return n === 1 ? t("oneStretch") : t("nStretches", { n });
}

/** The word for a name from the wire (grade, state); an unknown name is returned unchanged. */
export function name(key: string): string {
  return Object.hasOwn(WORDS, key) ? t(key as Word) : key;
}

/** The word `PREFIX_KEY` for a key from the wire; one without a word (of a newer centre) keeps its name. */
export function wordOf(prefix: string, key: string): string {
  const word = `${prefix}_${key}`;
  return Object.hasOwn(WORDS, word) ? t(word as Word) : key.replaceAll("_", " ");
}

export function reason(key: string): string {
  return (Object.hasOwn(REASONS, key) ? REASONS[key]?.[lang === "zh" ? 0 : 1] : undefined) ?? key.replaceAll("_", " ");
}

export function pick(zh: string | null | undefined, en: string | null | undefined): string {
  return (lang === "zh" ? zh || en : en || zh) ?? "";
}
