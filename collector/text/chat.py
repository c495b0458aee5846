"""Messages to the chat groups, and why one is not delivered."""

from collector.text.languages import Texts

TEXTS: Texts = {
    "chat.opened": ("【告警】{office}:{cause}", "[Alert] {office}: {cause}"),
    "chat.updated": ("【更新】{office}:{cause}", "[Update] {office}: {cause}"),
    "chat.reminder": ("【提醒】{office}:{cause},仍未恢复", "[Reminder] {office}: {cause}, not fixed yet"),
    "chat.escalated": ("【升级】{office}:{cause},无人认领", "[Escalated] {office}: {cause}, taken by nobody"),
    "chat.resolved": ("【恢复】{office}:{cause}", "[Recovered] {office}: {cause}"),
    "chat.partly_resolved": ("【部分恢复】{office}:{cause}", "[Partly recovered] {office}: {cause}"),
    "chat.withdrawn": ("【撤销】{office}:{cause}", "[Withdrawn] {office}: {cause}"),
    "chat.moved": ("【变更】{office}:大屏换了交换机端口", "[Changed] {office}: devices moved to other switch ports"),
    "chat.item_moved": ("{room}的大屏换到了 {after}(原 {before})", "device of {room} is now on {after} (was {before})"),
    "chat.moved_planned": (
        "不是故障;如果不是本校安排的,请核对接线。",
        "Nothing is wrong; check the cabling if nobody planned this.",
    ),
    "chat.twins": ("【网关身份重复】{office}:{school}", "[Two machines, one identity] {office}: {school}"),
    "chat.twins_seen": (
        "有两台机器都以网关 {gateway} 的身份上报,多半是系统盘连同令牌被复制了。已收到的记录没有丢失,也没有被覆盖。",
        (
            "Two machines report as gateway {gateway}: its disk was copied, probably, with its token. No record that "
            "was received is lost or overwritten."
        ),
    ),
    "chat.twins_remedy": (
        (
            "请教育局运行 classready-collector enroll --rotate {gateway},用得到的登记码在应保留的一台上重新登记:"
            "新令牌启用后,原令牌作废。另一台如在别的学校,请为那所学校登记。"
        ),
        (
            "Enroll the one that stays anew: the bureau runs classready-collector enroll --rotate {gateway} for a "
            "code; the old token is over once the new one is in use. Enroll the other for the school it stands in."
        ),
    ),
    "chat.everywhere": ("全部区县", "All offices"),
    "chat.affected": (
        "{schools} 所学校 {classrooms} 间教室",
        "{schools} school(s), {classrooms} classroom(s)",
    ),
    "chat.added": (
        "新增 {schools} 所学校 {classrooms} 间教室",
        "{schools} more school(s), {classrooms} classroom(s)",
    ),
    "chat.total": ("此事件目前共影响 {classrooms} 间教室", "This incident now affects {classrooms} classroom(s)"),
    "chat.recovered": (
        "{schools} 所学校 {classrooms} 间教室已恢复",
        "{schools} school(s), {classrooms} classroom(s) recovered",
    ),
    "chat.fault": (
        "平台自身的故障:多处网关同时打不开,其他都正常",
        "The platform's own fault: gateways of many places miss it, and reach all else",
    ),
    "chat.goes_on": (
        "{schools} 所学校 {classrooms} 间教室仍打不开,由所在单位另行通知",
        "{schools} school(s), {classrooms} classroom(s) still do not reach it: told by their offices, as their own",
    ),
    "chat.withdrawn_scale": (
        "{schools} 所学校 {classrooms} 间教室不再计入",
        "{schools} school(s), {classrooms} classroom(s) no longer counted here",
    ),
    "chat.checkup": ("【开学前体检】{office}:{term} 开学", "[Check-up] {office}: the term begins on {term}"),
    "chat.checkup_counts": (
        "{schools} 所学校 {classrooms} 间教室:{ready} 间已就绪,{short} 间不达要求,{unknown} 间未知",
        "{schools} school(s), {classrooms} classroom(s): {ready} ready, {short} not ready, {unknown} unknown",
    ),
    "chat.checkup_gateways": (
        "{count} 台网关没有上报:{gateways}",
        "{count} gateway(s) do not report: {gateways}",
    ),
    "chat.checkup_short": ("{count} 间不达要求", "{count} not ready"),
    "chat.checkup_unknown": ("{count} 间未知:{step}", "{count} unknown: {step}"),
    "chat.checkup_silent": ("网关 {gateways} 没有上报", "gateway {gateways} does not report"),
    "chat.checkup_switches": ("{count} 台交换机不应答", "{count} switch(es) do not answer"),
    "chat.checkup_closing": (
        "只算体检开始以来测到的:线路重新测过,大屏开过机",
        "Only what was seen since the check-up began counts: lines were tested anew, boards were on",
    ),
    "chat.digest": ("【每日汇总】{office}", "[Daily digest] {office}"),
    "chat.not_switched_on": ("大屏未开机", "Boards not switched on"),
    "chat.digest_opened": ("新增:{cause}", "New: {cause}"),
    "chat.digest_updated": ("有变化:{cause}", "Changed: {cause}"),
    "chat.digest_resolved": ("恢复:{cause}", "Recovered: {cause}"),
    "chat.digest_withdrawn": ("不再计入:{cause}", "No longer counted: {cause}"),
    "chat.digest_reminder": ("仍未恢复:{cause}", "Not fixed yet: {cause}"),
    "chat.since_digest": (
        "上次汇总以来:新通报 {began} 件,已结束 {ended} 件",
        "Since the last digest: {began} incident(s) told, {ended} over",
    ),
    "chat.digest_incidents": ("{count} 件", "{count} incident(s)"),
    "chat.digest_largest": ("只列最大的 {count} 所", "the {count} largest are listed"),
    "chat.digest_fixed": ("已修复:{cause},{schools}", "Fixed: {cause}, {schools}"),
    "chat.digest_fixed_school": ("{school}(历时 {duration})", "{school} (after {duration})"),
    "chat.digest_fixed_more": ("另有 {count} 所学校已修复", "{count} more school(s) fixed"),
    "chat.more_schools": ("另有 {count} 所学校", "{count} more school(s)"),
    "chat.meanwhile": (
        "断网期间出现过、现已恢复的问题(网关补报)",
        "Came and went while the gateway was cut off (told when it was back)",
    ),
    "chat.meanwhile_episode": (
        "{school} {cause}({name}),{first} 至 {last}",
        "{school} {cause} ({name}), {first} to {last}",
    ),
    "chat.census_not_installed": ("还没装的网关 {count} 台", "Gateways not installed yet: {count}"),
    "chat.census_silent": (
        "失联而未告警的网关 {count} 台(在观察期或维护中)",
        "Gateways silent and not alerted (observed, or under maintenance): {count}",
    ),
    "chat.census_observation_ends": (
        "今天起不再观察、正常告警的网关 {count} 台",
        "Gateways whose observation ends today; from now on they are alerted: {count}",
    ),
    "chat.census_observed": (
        "观察期内发现、未在群里告警的问题 {count} 个",
        "Found while new gateways are observed, and not alerted: {count}",
    ),
    "chat.census_unlisted": (
        "网关已上报、名册里没有的教室 {count} 间",
        "Classrooms that gateways tell of and no roster lists: {count}",
    ),
    "chat.census_unproven": (
        "至今没有测出是否达标的教室 {count} 间",
        "Classrooms never shown to be compliant or not: {count}",
    ),
    "chat.census_new": ("(新增 {count})", " ({count} new)"),
    "chat.census_more": ("还有 {count} 处", "{count} more"),
    "chat.census_school": ("{school} {names}", "{school} {names}"),
    "chat.census_school_more": ("{school} {names} 等 {count} 处", "{school} {names} and others, {count} in all"),
    "chat.census_most": ("多数教室的下一步:{step}", "Most of them: {step}"),
    "chat.census_cause": ("{school} {cause} {count} 个", "{school} {cause} {count}"),
    "chat.census_rooms": ("{school} {count} 间", "{school} {count}"),
    "chat.census_separator": (";", "; "),
    "chat.census_then": ("{found}。{step}", "{found}. {step}"),
    "chat.census_step_not_installed": (
        "请按名册安装;不装的,从名册里去掉。",
        "Install them, or take them out of the roster.",
    ),
    "chat.census_step_unlisted": (
        "请把教室补进名册;写错编号的,在“发现待分配”(手工配置的在 agent.yml)里改正。",
        "List them; if the number is wrong, mend what was confirmed (or agent.yml).",
    ),
    "chat.several": ("【汇总】{office}:{count} 件事", "[Several] {office}: {count} pieces of news"),
    "chat.several_moved": ("端口变更", "ports changed"),
    "chat.same_fault": (
        "与此前告知的事件 {incidents} 是同一故障(其中 {classrooms} 间教室此前已告知)",
        "One fault with incident(s) {incidents} told before ({classrooms} of the classrooms were told with them)",
    ),
    "chat.known": (
        "其中 {classrooms} 间此前已告知",
        "{classrooms} classroom(s) of these were affected before",
    ),
    "chat.still": (
        "其中 {classrooms} 间仍受影响",
        "{classrooms} classroom(s) of these are still affected",
    ),
    "chat.remaining": ("尚有 {classrooms} 间教室未恢复", "{classrooms} classroom(s) not recovered yet"),
    "chat.all_recovered": ("已全部恢复,历时 {duration}", "All recovered after {duration}"),
    "chat.all_over": ("事件结束,历时 {duration}", "Over after {duration}"),
    "chat.act": ("请处理:{actor}", "To be fixed by: {actor}"),
    "chat.step": ("下一步:{step}", "Next: {step}"),
    "chat.acknowledged": ("{by} 正在处理", "{by} is on it"),
    "chat.acknowledged_with": ("{by} 正在处理:{note}", "{by} is on it: {note}"),
    "chat.incident": ("事件编号 {incident}", "Incident {incident}"),
    "chat.link": ("看板:{url}", "Board: {url}"),
    "chat.link_label": ("打开看板", "Open the board"),
    "chat.acknowledge": ("我在处理:{url}", "I am on it: {url}"),
    "chat.acknowledge_label": ("我在处理", "I am on it"),
    # the one cheapest thing to do; by who acts where that makes it another one
    "step.gateway_silent": (
        "到机房看校园网关的电源灯和网线;停电的,等来电后再看",
        "look at the school gateway: is it powered, is its cable in? In a power cut, wait until it is over",
    ),
    "step.gateway_silent.operator": (
        "把本条转给运营商报障,请其查这些学校的线路",
        "forward this to the operator: it is to check the lines of these schools",
    ),
    "step.gateway_silent.bureau": (
        "先看教育局机房的网络和采集器,再问当地是否停电",
        "look at the bureau's own network and collector first, then ask whether the power is out there",
    ),
    "step.uplink_below_required": (
        "把本条转给运营商报障,请其按合同带宽核查线路",
        "forward this to the operator: it is to check the line against the contract",
    ),
    "step.exit_below_required": (
        "请出口运营商核查出口带宽;学校不用处理",
        "have the operator of the exit check its capacity; the schools need not do anything",
    ),
    "step.switch_unreachable": (
        "看这台交换机的电源和上联网线;都好的,核对管理地址和 SNMP 团体字",
        "check the power and uplink cable of this switch; if they are good, its address and SNMP community",
    ),
    "step.segment_below_required": (
        "换一根网线再看干线两端的端口速率;仍慢的,看端口或模块是否只有百兆",
        "change the cable of this trunk; if it stays slow, see whether a port or module of either end is the limit",
    ),
    "step.port_down": (
        "插紧网线两端;端口被人为关闭的,请打开",
        "push in both ends of the cable; if somebody shut the port, open it",
    ),
    "step.port_below_required": (
        "换一根网线或重做水晶头;仍慢的,看大屏网卡是否支持百兆以上",
        "change the cable or its plugs; if it stays slow, see whether the device's network card is the limit",
    ),
    "step.port_half_duplex": (
        "交换机和大屏两端都设为自动协商,再换一根网线",
        "set both ends, switch and device, to negotiate; then change the cable",
    ),
    "step.device_absent": (
        "到教室看有没有大屏:有的开机几分钟,没有的报配备,不用的在名册里写明豁免",
        "see whether the room has a device: switch it on, order one, or write into the roster why it is exempt",
    ),
    "step.device_offline": (
        "到教室看大屏的电源和网线;不用的教室请在名册里写明豁免",
        "check the device's power and cable; write into the roster which rooms are not in use",
    ),
    "step.platform_unreachable": ("不用处理:等平台方恢复", "nothing to do here: wait for the platform"),
    "step.platform_unreachable.school": (
        "在校内电脑上打开该平台网页;打不开的,核对本校的 DNS、代理和防火墙设置",
        "open the platform on a computer of the school; if it fails, check the school's DNS, proxy and firewall",
    ),
    "step.platform_unreachable.operator": (
        "把本条转给运营商报障,请其查到该平台的路由和 DNS",
        "forward this to the operator: it is to check its routes and DNS towards the platform",
    ),
    "step.platform_unreachable.exit": (
        "请出口运营商查出口到该平台的路由和 DNS",
        "have the operator of the exit check its routes and DNS towards the platform",
    ),
    "step.platform_unreachable.bureau": (
        "查教育城域网到该平台的路由、DNS 和防火墙",
        "check the routes, DNS and firewall of the education network towards the platform",
    ),
    "step.not_measured": ("在看板上看缺什么,按提示补上", "see on the board what is missing, and follow its hint"),
    "chat.item": ("{school}:{facts}", "{school}: {facts}"),
    "chat.item_rooms": ("{classrooms} 间教室", "{classrooms} classroom(s)"),
    "chat.item_rooms_named": ("{classrooms} 间教室({rooms})", "{classrooms} classroom(s) ({rooms})"),
    "chat.item_rural_weak": ("农村薄弱校", "rural weak school"),
    "chat.item_platform": ("平台 {platform}", "platform {platform}"),
    "chat.item_exit": ("出口 {exit}", "exit {exit}"),
    "chat.item_switch": ("交换机 {switch}", "switch {switch}"),
    "chat.item_behind_gateway": ("网关 {gateway} 后面的大屏", "devices behind gateway {gateway}"),
    "chat.item_together": (
        "几分钟内一起掉线,多半是那里停电或交换机故障",
        "went off within minutes of each other: most likely the power there, or a switch",
    ),
    "chat.item_trunk": ("干线 {trunk}", "trunk {trunk}"),
    "chat.item_port": ("端口 {ports}", "port {ports}"),
    "chat.item_ports": ("端口 {ports} 等", "ports {ports} and others"),
    "chat.item_half_duplex": ("半双工", "half duplex"),
    "chat.item_up": ("上行", "upload"),
    "chat.item_moved_away": ("已划转至{office}", "moved to {office}"),
    "chat.item_goes_on": ("仍打不开,由所在单位另行通知", "still not reached, told by its office as its own"),
    "chat.item_withdrawn": (
        "已免评、移出名册、更换或改接",
        "exempt, no longer listed, replaced or connected elsewhere",
    ),
    "chat.item_measured": ("实测 {measured}", "measured {measured}"),
    "chat.item_limit": ("要求 {limit}", "required {limit}"),
    "chat.item_since": ("自 {time} 起", "since {time}"),
    "muted.maintenance": ("维护中,新问题暂不告警", "Maintenance: nobody is told of what begins to fail"),
    "muted.exam": ("考试日,新问题暂不告警", "Examinations: nobody is told of what begins to fail"),
    "muted.until": ("至", "until"),
    "chat.item_still": ("此前未告警,仍未恢复", "not told before, still failing"),
    "chat.item_flapping": ("时断时续,稳定后再告知", "comes and goes, told again once it is steady"),
    "chat.item_until": ("{time} 恢复", "recovered {time}"),
    "chat.item_separator": (",", ", "),
    "chat.part": ("{title}({part}/{parts})", "{title} ({part}/{parts})"),
    "chat.more": (
        "…… 另有 {schools} 所学校 {classrooms} 间教室,见看板",
        "... and {schools} more school(s), {classrooms} classroom(s): see the board",
    ),
    "chat.more_alerts": ("…… 另有 {count} 条告警", "... and {count} more alert(s)"),
    # --- groups that come from Alertmanager --------------------------------------------------------------------------
    "group.monitoring": ("监测系统", "Monitoring"),
    "group.unnamed": ("未命名告警", "unnamed alert"),
    "group.and_others": ("{names} 等", "{names} and others"),
    "group.firing": ("教室监测:{count} 条告警", "Classroom monitoring: {count} alert(s)"),
    "group.resolved": ("教室监测:{count} 条已恢复", "Classroom monitoring: {count} resolved"),
    "group.truncated": ("另有 {count} 条未列出", "{count} more, not listed"),
    "group.item_resolved": ("已恢复", "resolved"),
    # --- why a message is not delivered -----------------------------------------------------------------------------
    "chat.trial": ("【测试】接收方 {receiver}", "[Test] receiver {receiver}"),
    "chat.trial_lead": (
        "这是一条测试消息:教室的告警和恢复将发到这里。",
        "This is a test: alerts of classrooms, and their end, will come here.",
    ),
    "chat.trial_closing": ("无需处理", "Nothing needs to be done"),
    "delivery.rate": ("机器人发送过于频繁,正在限流", "the robot takes no more for now"),
    "delivery.busy": ("机器人平台忙", "the robot's platform is busy"),
    "delivery.timeout": ("机器人没有及时应答", "the robot did not answer in time"),
    "delivery.unreachable": ("连不上机器人", "the robot cannot be reached"),
    "delivery.http_status": ("中途返回错误状态", "something on the way answered with an error"),
    "delivery.redirect": ("被转到别的地址,未跟随", "redirected elsewhere, which is not followed"),
    "delivery.bad_reply": ("应答不是机器人给的(可能被登录页拦截)", "the answer is not the robot's (a login page?)"),
    "delivery.restored": (
        "从备份恢复：这条可能已发出，不再重发",
        "restored from a backup: it may have been sent since, and is not sent again",
    ),
    "delivery.http_refused": ("这条通知被中途拒收", "this message was refused on the way"),
    "delivery.unknown_code": ("机器人返回未知错误码", "an error code of the robot that is not known"),
    "delivery.internal": ("程序出错,请看采集器日志", "a fault of the program, see its log"),
    "delivery.too_long": ("通知过长", "the message is too long"),
    "delivery.invalid_robot": ("机器人已失效,请检查密钥", "there is no such robot; check its key"),
    "delivery.bad_signature": (
        "机器人不认签名,请检查加签密钥和采集器的系统时间",
        "the robot does not accept the signature; check the secret, and this machine's clock",
    ),
    "delivery.bad_clock": (
        "机器人不认时间戳,请校准采集器的系统时间",
        "the robot does not accept the time; set this machine's clock right",
    ),
    "delivery.bad_address": (
        "采集器的出口地址不在机器人的 IP 白名单里",
        "this machine's address is not on the robot's list of addresses",
    ),
    "delivery.no_keyword": (
        "机器人要求的关键词不在通知里,请改用加签,或把关键词设为“教室”",
        "the message has none of the robot's keywords; use a signature instead, or the keyword 教室",
    ),
    "delivery.bad_login": (
        "对方服务器不认用户名、密码(授权码)或令牌",
        "the server does not accept user and password, or the token",
    ),
    "delivery.bad_sender": ("邮件服务器不接受这个发件人地址", "the mail server does not accept the sender's address"),
    "delivery.bad_recipient": ("收件人地址不存在或被拒", "the recipient's address does not exist, or is refused"),
    "delivery.rejected": ("机器人拒收", "the robot rejects it"),
    "delivery.too_many": ("积压太多,最早的已放弃", "too many waited, the oldest were given up"),
    "delivery.unreadable": ("旧版本留下的通知,本版本读不懂", "left by another release, and not readable for this one"),
    "delivery.no_such_receiver": ("设置里已没有这个接收方", "the settings have no such receiver any more"),
    "delivery.other": ("其他原因", "another reason"),
}
