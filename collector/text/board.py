"""Pages of the board."""

from collector.text.languages import Texts

TEXTS: Texts = {
    "board.title": ("教室就绪看板", "Classroom readiness"),
    "board.subtitle": ("千兆到校 · 百兆到班", "Gigabit to the school, 100 Mbit/s to the classroom"),
    "board.home": ("全部区县", "All offices"),
    "board.updated": ("更新于", "Updated"),
    "board.stale": (
        "旧数据:{time} 之后没有更新。采集器连不上或没有给出页面,正在重试,恢复后自动更新。",
        "Old data: nothing newer than {time}. The collector gives no page; trying again, it goes on by itself.",
    ),
    "board.not_well": (
        "旧数据:采集器现在存不下新的数据(例如磁盘已满),下面的状态可能早已过时。请看采集器的日志。",
        "Old data: the collector cannot store anything new (its disk may be full); see its log.",
    ),
    "board.undelivered": ("未送达的通知", "Messages that did not arrive"),
    "board.notes": ("设置与名册:请核对", "Settings and roster: to be looked at"),
    "board.notes_left": (
        "还有 {count} 条,用 classready-collector check 查看",
        "and {count} more: see classready-collector check",
    ),
    "board.refused_files": (
        "改动没有生效:文件有错,采集器仍按原来的设置和名册运行。改正下面各处后重新加载。",
        "Changes are not in force: files are wrong, so the collector goes on with what it had. Mend these, and reload.",
    ),
    "note.store_set_aside": (
        "数据库文件损坏，{at} 已改名保存，未删内容；现用最近的备份或空库，其间结果可能缺失。请检查磁盘，再移走该文件",
        "A damaged store, renamed at {at}; a backup or an empty one replaces it. Look at the disk, then move it away",
    ),
    "note.broker_behind": (
        (
            "有 {count} 个网关的登记或撤销还没有送到 MQTT 服务器:新登记的连不上,已撤销的可能还连着。"
            "请查看 systemctl status classready-broker"
        ),
        (
            "The broker does not know {count} gateways as they are: who enrolled cannot connect, who was taken back "
            "may still be in. See systemctl status classready-broker"
        ),
    ),
    "note.make_up_unsaid": (
        (
            "{day}({weekday})调休上课,没有写明上星期几的课:没有这一天课表的学校按 08:00-17:00 上课计算。"
            '请在 make_up_days 里写 {{date: "{day}", follows: fri}},其中 fri 换成所上的那一天。'
        ),
        (
            "{day} ({weekday}) is a school day (调休), and nothing says whose timetable it follows: where a timetable "
            'has none for that weekday, lessons are 08:00-17:00. Write {{date: "{day}", follows: fri}} or the like '
            "into make_up_days"
        ),
    ),
    "note.year_unknown": (
        (
            "本版本还不知道 {year} 年的放假安排:暂按周一至周五上课计算,1 月 1 日、5 月 1-2 日、10 月 1-3 日除外。"
            "国务院公布后请升级 classready,或把放假和调休日写进 days_off、make_up_days。"
        ),
        (
            "the public holidays of {year} are not known to this release: until they are, Monday to Friday are "
            "school days but for 1 January, 1-2 May and 1-3 October. Once they are announced update classready, "
            "or write them here (days_off, make_up_days)"
        ),
    ),
    "note.office_unheard": (
        "{name} 有 {schools} 所学校的消息没有接收方:请把 {office} 写进某个接收方的 offices。",
        "of {schools} schools of {name} no receiver hears: write {office} into the offices of one",
    ),
    "note.digest_unheard": (
        "{name} 有 {schools} 所学校的每日汇总没有接收方:听到它们的接收方都设了 least,请把其中一个改为 least: info。",
        "nobody gets the digest of {schools} schools of {name}: of those that hear of them let one have least: info",
    ),
    "note.escalation_unheard": (
        "{name} 有 {schools} 所学校的事件升级后没有接收方:请把 {office} 写进某个 escalation: true 的接收方的 offices。",
        (
            "nobody is told of what nobody takes at {schools} schools of {name}: write {office} into the offices of a "
            "receiver with escalation: true"
        ),
    ),
    "note.receiver_idle": (
        "接收方 {receiver} 的 offices、hubs、schools 没有对应到名册里的任何学校,它收不到消息。",
        "{receiver} is told of nothing: its offices, hubs and schools lead to no school of the roster",
    ),
    "note.window_over": ("这个维护时段 {ends} 已结束,可以删去。", "over since {ends}: it may go"),
    "note.exemption_over": (
        "免考核 {day} 已到期(原因:{reason}),教室已恢复考核:请写新的日期,或者把两项都删去。",
        (
            "over since {day}: the room is judged again, whatever exempt says ({reason}): "
            "write a later day, or take both away"
        ),
    ),
    "weekday.mon": ("周一", "Mon"),
    "weekday.tue": ("周二", "Tue"),
    "weekday.wed": ("周三", "Wed"),
    "weekday.thu": ("周四", "Thu"),
    "weekday.fri": ("周五", "Fri"),
    "weekday.sat": ("周六", "Sat"),
    "weekday.sun": ("周日", "Sun"),
    "board.misconfigured": (
        "接收方“{receiver}”现在什么通知都收不到,原因:{reason}。",
        "{receiver} takes no message at all: {reason}.",
    ),
    "board.replaced": (
        "接收方“{receiver}”收不到通知,现在由“{fallback}”代收,原因:{reason}。",
        "{fallback} gets the messages of {receiver} now, which does not take them: {reason}.",
    ),
    "board.lost": (
        "接收方“{receiver}”最近七天有 {count} 条通知没有送到,最近一条的原因:{reason}。",
        "{receiver} never got {count} message(s) of the last seven days; why the last one: {reason}.",
    ),
    "board.waiting": (
        "接收方“{receiver}”有 {count} 条通知在排队,最早的已等 {age},原因:{reason}。仍在重试。",
        "{count} message(s) wait for {receiver}, the oldest for {age}: {reason}. They are tried again.",
    ),
    "board.need": ("状态", "State"),
    "board.rural_weak": ("薄弱学校", "weak rural school"),
    "board.need_count": ("{need} {count} 所", "{need}: {count}"),
    "board.refreshes": ("每 {seconds} 秒自动刷新", "refreshes every {seconds} s"),
    "board.other_language": ("English", "中文"),
    "board.office": ("单位", "Office"),
    "board.school": ("学校", "School"),
    "board.classrooms": ("教室", "Classrooms"),
    "board.gateways": ("校园网关", "Gateways"),
    "incident.list": ("事件", "Incidents"),
    "incident.history": ("最近关闭", "Closed lately"),
    "incident.number": ("事件编号", "Incident"),
    "incident.what": ("单位与原因", "Office and cause"),
    "incident.state": ("状态", "State"),
    "incident.rooms": ("影响教室", "Rooms affected"),
    "incident.since": ("开始于", "Since"),
    "incident.actor": ("请处理", "To act"),
    "incident.none": ("没有", "None"),
    "incident.pending": ("尚未告知", "not told yet"),
    "incident.firing": ("未处理", "nobody on it"),
    "incident.acknowledged": ("处理中", "being handled"),
    "incident.ending": ("已恢复,待告知", "over, to be told"),
    "incident.closed": ("已关闭", "closed"),
    "record.title": ("整改记录", "Rectification records"),
    "record.about": (
        "告知过的问题及其结果,保存 {years} 年。",
        "What was told and what became of it, kept for {years} year(s).",
    ),
    "record.csv": ("导出表格(CSV)", "Export as a table (CSV)"),
    "record.all": ("全部", "All"),
    "record.open": ("未处理", "nobody on it"),
    "record.acknowledged": ("处理中", "being handled"),
    "record.fixed": ("已整改", "fixed"),
    "record.withdrawn": ("已撤销", "withdrawn"),
    "record.joined": ("并入其他事件", "part of another"),
    "record.unknown": ("已关闭,结果未记录", "closed, outcome not recorded"),
    "record.reopened": ("再次发生", "reopened"),
    "record.reopened_from": ("上次事件 {incident}", "before: {incident}"),
    "record.joined_to": ("并入事件 {incident}", "now {incident}"),
    "record.median": ("整改用时中位数", "Median time to fix"),
    "record.lesson_hours": ("上课 {hours} 小时", "{hours} lesson hour(s)"),
    "record.not_known": ("未记录", "not recorded"),
    "record.not_yet": ("尚未", "not yet"),
    "record.schools": ("学校", "Schools"),
    "record.school": ("学校名称", "School"),
    "record.school_id": ("学校代码", "School code"),
    "record.more_schools": ("还有 {count} 所", "{count} more"),
    "record.cause": ("原因", "Cause"),
    "record.subject": ("对象", "Subject"),
    "record.room_count": ("教室数", "Rooms"),
    "record.rooms": ("教室", "Room list"),
    "record.room_list": ("{count} 间:{rooms}", "{count}: {rooms}"),
    "record.separator": ("、", ", "),
    "record.root_name": ("运营商或出口", "Operator or exit"),
    "record.opened_at": ("发现时间", "Found"),
    "record.told_at": ("首次告知", "First told"),
    "record.acknowledged_by": ("处理人", "On it"),
    "record.acknowledged_at": ("确认时间", "Acknowledged"),
    "record.note": ("处理说明", "Note"),
    "record.fixed_at": ("恢复时间", "Fixed at"),
    "record.fix_hours": ("整改用时(小时)", "Time to fix (h)"),
    "record.fix_lesson_hours": ("整个事件上课用时(小时)", "Lessons that the incident took (h)"),
    "record.fix": ("整改用时", "Time to fix"),
    "record.ending": ("结果", "Outcome"),
    "record.before": ("上次事件编号", "Incident before"),
    "record.goes_on_as": ("并入事件编号", "Goes on as"),
    "record.cut": (
        "仅列出 {count} 条,请按单位、学校或时间筛选后再导出",
        "Only {count} records: export again by office, school or time",
    ),
    "ending.recovered": ("已恢复", "recovered"),
    "ending.exempted": ("已豁免", "exempted"),
    "ending.moved": ("已划转其他单位", "moved to another office"),
    "ending.removed": ("已从名册移除", "removed from the roster"),
    "ending.withdrawn": ("不再计入", "no longer counted"),
    "ending.joined": ("并入其他事件", "part of another incident"),
    "way.gateway": ("网关", "gateway"),
    "way.uplink": ("上联", "uplink"),
    "way.exit": ("出口", "exit"),
    "way.path": ("校内线路", "in-school way"),
    "way.switch": ("交换机", "switch"),
    "way.segment": ("干线", "trunk"),
    "way.port": ("端口", "port"),
    "way.device": ("大屏", "device"),
    "way.arrow": (" → ", " -> "),
    "way.title": ("路径", "Way"),
    "objection.title": ("申诉", "Objections"),
    "objection.open": ("已安排复测,等待结果", "a retest is ordered, its result is awaited"),
    "objection.upheld": ("已复测,维持原判", "tested again: upheld"),
    "objection.changed": ("已复测,判定已改", "tested again: changed"),
    "objection.unmeasured": ("未能复测:{reason}", "could not be measured: {reason}"),
    "objection.link.enough": ("带宽达到要求", "bandwidth is enough"),
    "objection.link.short": ("带宽低于要求", "bandwidth is below what is required"),
    "objection.link.unknown": ("带宽未知", "bandwidth is not known"),
    "objection.why.removed": ("已不在名册中", "it is not in the roster any more"),
    "objection.why.no_test": (
        "没有测速对象,请在该校的模板(或 agent.yml)里加一个 bandwidth 目标",
        "nothing tests this line: add a bandwidth target to the school's template (or agent.yml)",
    ),
    "objection.why.silent": ("网关无上报", "the gateway does not report"),
    "objection.why.undecided": ("几次测速结果不一致", "the tests contradict each other"),
    "objection.why.not_tested": ("限期内没有测成", "no test was made in time"),
    "objection.before": ("原结果", "Before"),
    "objection.after": ("复测结果", "Retest"),
    "objection.ordered": ("已安排复测 {targets}。", "A retest of {targets} is ordered."),
    "objection.reading": ("等待网关下一次读取端口。", "It waits for the next reading of its port."),
    "objection.silent": ("网关现在无上报,恢复后进行。", "The gateway does not report: it is made when it does again."),
    "objection.quiet": (
        "上课或考试时不测满线路,{time} 后进行(以网关允许的测速时段为准)。",
        "No load is put on a line in lessons and examinations: after {time}, in the hours that the gateway allows.",
    ),
    "objection.spacing": (
        "刚测过,与上次间隔至少 {seconds} 秒。",
        "It was tested just now: the next test is at least {seconds} s after the last.",
    ),
    "ack.title": ("我在处理", "I am on it"),
    "ack.name": ("姓名(必填,最多 40 字)", "Name (required, 40 characters at most)"),
    "ack.note": ("说明(可不填,最多 200 字)", "Note (optional, 200 characters at most)"),
    "ack.button": ("我在处理", "I am on it"),
    "ack.done": ("已记录:{by} 正在处理。下一条消息会告知大家。", "Noted: {by} is on it. The next message says so."),
    "ack.taken": (
        "{by} 已在处理{note}。没有改动。",
        "{by} is on it already{note}. Nothing was changed.",
    ),
    "ack.over": (
        "已恢复,或已撤销、并入另一事件:不再需要处理。没有改动。",
        "It is over, was withdrawn, or is part of another incident: nobody needs to act. Nothing was changed.",
    ),
    "ack.forged": ("链接无效,请从消息中重新打开。", "This link is not valid: open it from the message again."),
    "ack.expired": ("链接已过期,请打开较新的消息。", "This link has expired: open a newer message."),
    "ack.missing": ("没有这个事件。", "There is no such incident."),
    "ack.bad_input": (
        "没有记录:姓名须为 1 至 40 字,说明最多 200 字。",
        "Not noted: a name has 1 to 40 characters, a note 200 at most.",
    ),
    "ack.too_often": ("操作太频繁,请几分钟后再试。", "Too many attempts: try again in some minutes."),
    "ack.store_away": ("暂时无法记录,请稍后再试。", "It cannot be noted now: try again soon."),
    "board.uplinks": ("学校上联", "Uplinks"),
    "board.segments": ("校内干线", "Trunks in the school"),
    "board.platforms": ("教育平台", "Platforms"),
    "board.unlisted": ("未登记", "Not in the roster"),
    "board.unlisted_about": (
        "这些教室有数据上报,但名册里没有:不参加判定,请登记,或在“发现待分配”(手工配置的在 agent.yml)里改正。",
        "Reported, but not in the roster: not judged. List them, or correct what was confirmed (or agent.yml).",
    ),
    "board.last_heard": ("最近上报", "Last heard"),
    "board.last_measured": ("最近测得", "Last measured"),
    "board.required": ("每间教室要求 {rate}", "Each classroom needs {rate}"),
    "board.next": ("下一步", "Next step"),
    "board.actor": ("由{actor}处理", "for {actor}"),
    "board.exempt_why": ("豁免:{reason}", "Exempt: {reason}"),
    "board.none": ("没有", "none"),
    "board.no_schools": ("名册里还没有学校。", "The roster has no schools yet."),
    "board.no_classrooms": ("名册里还没有这所学校的教室。", "The roster has no classrooms of this school yet."),
    "board.main_causes": ("主要原因", "Main causes"),
    "board.school_count": ("{count} 所学校", "{count} school(s)"),
    "board.classroom_count": ("{count} 间教室", "{count} classroom(s)"),
    "board.page": ("第 {page} / {pages} 页", "Page {page} of {pages}"),
    "board.previous": ("上一页", "Previous"),
    "board.following": ("下一页", "Next"),
    "board.no_tests": ("尚无有效测试", "no conclusive test yet"),
    "board.last_unmeasured": ("最近一次未测成:{reason}", "last attempt without result: {reason}"),
    "board.beyond": ("经出口 {exit}", "beyond exit {exit}"),
    "board.contention": ("超配 {ratio} 倍", "contention {ratio} : 1"),
    "board.skip": ("跳到内容", "Skip to content"),
    "board.not_found": ("没有这个页面。", "There is no such page."),
    "board.legend": (
        "「可用」说的是现在,「达标」说的是已被证实;未知不算好,也不算坏。",
        "Ready is about now, compliant about what is proven; unknown counts neither as good nor as bad.",
    ),
}
