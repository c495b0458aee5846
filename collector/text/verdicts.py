"""Verdicts, causes, who acts and what to do next."""

from collector.text.languages import Texts

_TEST_ROOM_ZH = (
    "请在该校的模板(或 agent.yml)里加一个写明 classroom 的 bandwidth 目标,"
    "教室电脑上运行 classready-collector responder --listen。"
)
_TEST_ROOM_EN = (
    "add a bandwidth target with its classroom to the school's template (or agent.yml), and run classready-collector "
    "responder --listen on a computer in the room."
)

TEXTS: Texts = {
    # --- verdicts, states -------------------------------------------------------------------------------------------
    "verdict.ready": ("可用", "Ready"),
    "verdict.compliant": ("达标", "Compliant"),
    "verdict.ready.about": ("现在能不能上课用", "usable for a lesson now"),
    "verdict.compliant.about": ("设备与百兆是否已被证实", "device and 100 Mbit/s proven"),
    "ready.yes": ("可用", "ready"),
    "ready.no": ("不可用", "not ready"),
    "ready.unknown": ("未知", "unknown"),
    "ready.exempt": ("豁免", "exempt"),
    "compliant.yes": ("达标", "compliant"),
    "compliant.no": ("不达标", "not compliant"),
    "compliant.unknown": ("未知", "unknown"),
    "compliant.exempt": ("豁免", "exempt"),
    "clause.link": ("接入带宽", "Access link"),
    "clause.way": ("校内线路", "Way"),
    "clause.device": ("大屏设备", "Device"),
    "clause.platforms": ("教育平台", "Platforms"),
    "clause.yes": ("正常", "good"),
    "clause.no": ("异常", "bad"),
    "clause.unknown": ("未知", "unknown"),
    # --- what a school or office needs, most urgent first ------------------------------------------------------------
    "need.silent": ("全部无上报", "silent"),
    "need.not_ready": ("多数不可用", "mostly not ready"),
    "need.unknown": ("全部未知", "nothing known"),
    "need.partly_silent": ("部分无上报", "partly silent"),
    "need.partly_not_ready": ("部分不可用", "some not ready"),
    "need.partly_unknown": ("部分未知", "some unknown"),
    "need.nothing": ("全部可用", "all ready"),
    "need.empty": ("没有教室", "no classrooms"),
    # --- causes: short for titles and tables, long for people who ask why -------------------------------------------
    "cause.gateway_silent": ("校园网关无上报", "School gateway silent"),
    "cause.uplink_below_required": ("学校上联带宽低于要求", "School uplink below required"),
    "cause.exit_below_required": ("城域网出口带宽低于要求", "Network exit below required"),
    "cause.switch_unreachable": ("交换机无应答", "Switch does not answer"),
    "cause.segment_below_required": ("校内线路带宽低于要求", "In-school way below required"),
    "cause.port_down": ("教室端口断开", "Classroom port down"),
    "cause.port_below_required": ("教室端口速率低于要求", "Classroom port below required"),
    "cause.port_half_duplex": ("教室端口为半双工", "Classroom port half duplex"),
    "cause.device_absent": ("没有交互式大屏或长期未见", "Interactive device missing"),
    "cause.device_offline": ("上课时间大屏不在线", "Device offline in lessons"),
    "cause.platform_unreachable": ("教育平台不可达", "Platform unreachable"),
    "cause.not_measured": ("尚未测得", "Not measured"),
    "why.gateway_silent": (
        "校园网关没有上报:可能停电、断网或网关故障,教室情况未知。",
        "The school gateway does not report (power, line or the box itself); its classrooms are unknown.",
    ),
    "why.uplink_below_required": (
        "学校到教育网的上联实测低于要求,全校教室受影响,多半在运营商一侧。",
        "The uplink of the school was measured below what is required; most likely on the operator's side.",
    ),
    "why.exit_below_required": (
        "学校自己的线路够用,经教育城域网出口的实测不够:问题在出口,不在学校。",
        "The school's own line is enough; through the exit of the education network less arrives: the exit is short.",
    ),
    "why.switch_unreachable": (
        "管理这间教室的交换机没有应答,端口情况未知。",
        "The switch of this classroom does not answer; its port is unknown.",
    ),
    "why.segment_below_required": (
        "从网关到教室的校内线路不够:干线或无线接入点端口速率低,或者实测不够。",
        "The way from gateway to classroom is too slow: a trunk or access point port, or as it was tested.",
    ),
    "why.port_down": ("教室的交换机端口是断开的。", "The switch port of the classroom is down."),
    "why.port_below_required": (
        "教室端口只协商到较低速率:常见原因是网线、水晶头或旧网卡。",
        "The classroom's port negotiated a lower speed: usually the cable, its plug or an old network card.",
    ),
    "why.port_half_duplex": (
        "教室端口是半双工:请检查网线,两端都设为自动协商。",
        "The classroom's port is half duplex: check the cable and set both ends to negotiate.",
    ),
    "why.device_absent": (
        "名册没有登记交互式大屏,或者连续多个教学日没有见到它。",
        "No interactive device is listed, or it was not seen for several school days.",
    ),
    "why.device_offline": (
        "上课时间没有见到大屏开机:请看电源和网线。",
        "The device was not seen awake in lesson time: check its power and cable.",
    ),
    "why.platform_unreachable": (
        "从本校打不开教育平台;本校线路是好是坏请看带宽一栏。",
        "The platform cannot be reached from this school; for the school's own line see its bandwidth.",
    ),
    "why.not_measured": ("还没有足够的测量结果。", "There are not enough measurements yet."),
    "chat.root_operator": ("这些学校的线路都由{name}提供", "The lines of these schools are {name}'s"),
    "chat.root_exit": ("这些学校都在出口 {name} 之后", "These schools are behind the exit {name}"),
    "actor.school": ("学校", "the school"),
    "actor.operator": ("网络运营商", "the network operator"),
    "actor.exit": ("教育局和出口运营商", "the bureau, with the operator of the exit"),
    "actor.bureau": ("教育局电教部门", "the bureau's equipment team"),
    "actor.platform": ("平台方", "the platform"),
    # --- next steps -------------------------------------------------------------------------------------------------
    "next.check_gateway": (
        "请到机房看校园网关:电源灯是否亮、网线是否插好。",
        "Look at the school gateway: is it powered, is its cable in?",
    ),
    "next.install_gateway": (
        "该校还没有网关上报:请安装校园网关,并登记在名册里。",
        "No gateway of this school has ever reported: install one, and list it in the roster.",
    ),
    "next.name_room": (
        "已上报的网关都没有提到这间教室:请在学校页面的“发现待分配”里确认它的端口或大屏;它的网关还没装的,请先安装。",
        "No gateway that reports tells of it: confirm it on the page Found, not assigned, or install its gateway.",
    ),
    "next.add_test": (
        "最近没有带宽测试:请看该校的模板(或 agent.yml)里有没有 bandwidth 目标;有的话等下一次测试。",
        "No bandwidth test lately: has its template (or agent.yml) a bandwidth target? If so, wait for its test.",
    ),
    "next.wait_for_test": (
        "不用做什么:等下一次带宽测试。",
        "Nothing to do: wait for the next bandwidth test.",
    ),
    "next.wait_for_hours": (
        "不用做什么:到了允许测速的时段(bandwidth 目标的 allowed_hours)自动测。",
        "Nothing to do: it is tested in the hours that allow it (allowed_hours of its target).",
    ),
    "next.wait_for_budget": (
        "今天的测速额度已用完:明天自动再测(额度是该目标的 max_bytes 和 max_day_bytes)。",
        "Today's budget for tests is used up: it is tested again tomorrow (max_bytes, max_day_bytes of its target).",
    ),
    "next.set_clock": (
        "网关的时钟不准,不知道能不能测速:请在网关上配好自动对时(NTP)。",
        "The gateway's clock is wrong, so it cannot tell when to test: let it set its clock (NTP).",
    ),
    "next.check_test": (
        "最近的带宽测试没有结果:请在网关上运行 classready-agent probe 目标名 --explain 看原因。",
        "The last bandwidth test had no result: run classready-agent probe TARGET --explain on the gateway to see why.",
    ),
    "next.check_switch": (
        "请检查交换机的电源、网线、管理地址和 SNMP 团体字(或 v3 账号)。",
        "Check the switch: power, cable, management address, SNMP community (or v3 user).",
    ),
    "next.place_room": (
        "还不知道它接在交换机的哪个口:请在学校页面的“发现待分配”里确认;已确认的,请把大屏开机几分钟。",
        "Its switch port is not known: confirm it on the page Found, not assigned, or switch the device on.",
    ),
    "next.show_link": (
        "看不到它的线路:有网管交换机的,请在学校页面的“发现待分配”里确认;没有的," + _TEST_ROOM_ZH,
        "Its link cannot be seen: where the switch is managed, confirm it on the page Found, not assigned; where it is "
        "not, " + _TEST_ROOM_EN,
    ),
    "next.test_room": (
        "这间教室没有能读出速率的端口:" + _TEST_ROOM_ZH,
        "It has no port that tells a speed: " + _TEST_ROOM_EN,
    ),
    "next.wire_room": (
        "用移动网络的教室不经过校园网关,量不到:请接入校园网,或在名册里写明豁免(exempt)的原因。",
        "A cellular room does not pass the gateway: wire it, or write into the roster why it is exempt.",
    ),
    "next.wake_device": (
        "请把这间教室的大屏开机几分钟。",
        "Switch the classroom's device on for some minutes.",
    ),
    "next.wait_for_reading": (
        "不用做什么:等下一次读数。",
        "Nothing to do: wait for the next reading.",
    ),
    "next.check_switch_probe": (
        "以前读到过这间教室的端口,现在没有了:请在网关上运行 classready-agent probe 交换机目标名 --explain 看原因。",
        "Its port is not read any more: run classready-agent probe SWITCH --explain on the gateway to see why.",
    ),
    "next.list_device": (
        "网关还没有看这间教室的大屏:请在学校页面的“发现待分配”里确认它。",
        "The gateway does not look at this classroom's device yet: confirm it on the page Found, not assigned.",
    ),
    "next.check_device_probe": (
        "最近没有这间教室大屏的读数:请在网关上运行 classready-agent probe 大屏目标名 --explain 看原因。",
        "Nothing was read of its device lately: run classready-agent probe DEVICE --explain on the gateway to see why.",
    ),
    "next.check_platform_probe": (
        "有教育平台没有结果:该校的模板里有它的 http 目标吗?请在网关上运行 classready-agent probe 目标名 --explain。",
        "A platform has no result: has its template that http target? Run classready-agent probe TARGET --explain.",
    ),
    "next.wait_for_platform": (
        "不用做什么:这是平台方的故障,恢复后自动更新。",
        "Nothing to do: the platform itself is failing; this updates when it is back.",
    ),
    "next.wait_for_lessons": (
        "不用做什么:现在没有课,上课时自动判断。",
        "Nothing to do: no lesson now; it is judged when lessons begin.",
    ),
}
