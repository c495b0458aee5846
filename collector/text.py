"""Every sentence that people read, in Chinese and English, by message id.

Both texts of a message have the same fields; a test compares them. Fields are inserted as they are: whoever shows the
result escapes it (the templates for HTML, ``notify.message`` for chat).
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from math import floor
from typing import Literal

from msgspec import Struct

from classready.units import MBIT, MBYTE
from collector.core.state import Interval

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = ("zh", "en")


class Names(Struct, frozen=True, kw_only=True):
    """Names of what messages and pages only know by id; a missing name is the id itself."""

    offices: Mapping[str, str] = {}
    platforms: Mapping[str, str] = {}
    classroom_name: Callable[[str, str], str] = lambda _school, _classroom: ""
    """(school, classroom) -> its roster name (三年级2班), empty where there is none."""
    board_url: str | None = None
    """Where people find the board; None = messages have no link."""
    acknowledge_url: Callable[[str, float], str | None] = lambda _incident, _told_at: None
    """(incident, when it is told) -> where a reader says that he is on it; None = nowhere."""
    utc_offset_s: float = 28_800.0
    """The bureau's own zone."""
    school_offset_s: Callable[[str], float | None] = lambda _school: None
    """School -> its own zone; None where it is not known, which means the bureau's."""
    is_rural_weak: Callable[[str], bool] = lambda _school: False
    """Whether the roster calls a school rural and weak: what is about those stands first in a message."""

    def office(self, office_id: str) -> str:
        return self.offices.get(office_id) or office_id

    def platform(self, platform_id: str) -> str:
        return self.platforms.get(platform_id) or platform_id


_TEST_ROOM_ZH = (
    "请在 agent.yml 加一个写明 classroom 的 bandwidth 目标,教室电脑上运行 classready-collector responder --listen。"
)
_TEST_ROOM_EN = (
    "add a bandwidth target with its classroom to agent.yml, and run classready-collector responder --listen on a "
    "computer in the room."
)

MESSAGES: Mapping[str, tuple[str, str]] = {
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
        "已上报的网关都没有提到这间教室:请在它所属网关的 agent.yml 里写上它的端口或大屏;那个网关还没装的,请先安装。",
        "No gateway that reports tells of this room: write it into its gateway's agent.yml, or install that one.",
    ),
    "next.add_test": (
        "最近没有带宽测试:请看网关的 agent.yml 里有没有 bandwidth 目标;有的话等下一次测试。",
        "No bandwidth test lately: does the gateway's agent.yml have a bandwidth target? If so, wait for its test.",
    ),
    "next.wait_for_test": (
        "不用做什么:等下一次带宽测试。",
        "Nothing to do: wait for the next bandwidth test.",
    ),
    "next.wait_for_hours": (
        "不用做什么:到了允许测速的时段(agent.yml 的 allowed_hours)自动测。",
        "Nothing to do: it is tested in the hours that allow it (allowed_hours in agent.yml).",
    ),
    "next.wait_for_budget": (
        "今天的测速额度已用完:明天自动再测(额度是 agent.yml 的 max_bytes 和 max_day_bytes)。",
        "Today's budget for tests is used up: it is tested again tomorrow (max_bytes, max_day_bytes in agent.yml).",
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
        "还不知道它接在交换机的哪个口:请在 agent.yml 的 switch 目标里写上端口或大屏地址;已写的,请把大屏开机几分钟。",
        "Its switch port is not known: write it, or the device's address, into agent.yml, or switch the device on.",
    ),
    "next.show_link": (
        "看不到它的线路:有网管交换机的,请运行 classready-agent discover,在 agent.yml 里加 switch 目标;没有的,"
        + _TEST_ROOM_ZH,
        "Its link cannot be seen: where the switch is managed, run classready-agent discover and add a switch target; "
        "where it is not, " + _TEST_ROOM_EN,
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
        "网关还没有看这间教室的大屏:请在 agent.yml 里给它加一个 whiteboard 目标。",
        "The gateway does not look at this classroom's device yet: add a whiteboard target for it to agent.yml.",
    ),
    "next.check_device_probe": (
        "最近没有这间教室大屏的读数:请在网关上运行 classready-agent probe 大屏目标名 --explain 看原因。",
        "Nothing was read of its device lately: run classready-agent probe DEVICE --explain on the gateway to see why.",
    ),
    "next.check_platform_probe": (
        "有教育平台没有结果:agent.yml 里有它的 http 目标吗?请在网关上运行 classready-agent probe 目标名 --explain。",
        "A platform has no result: does agent.yml have its http target? Run classready-agent probe TARGET --explain.",
    ),
    "next.wait_for_platform": (
        "不用做什么:这是平台方的故障,恢复后自动更新。",
        "Nothing to do: the platform itself is failing; this updates when it is back.",
    ),
    "next.wait_for_lessons": (
        "不用做什么:现在没有课,上课时自动判断。",
        "Nothing to do: no lesson now; it is judged when lessons begin.",
    ),
    # --- evidence ---------------------------------------------------------------------------------------------------
    "grade.active": ("主动测试", "active test"),
    "grade.self_test": ("大屏自检", "self-test on the screen"),
    "grade.passive": ("流量计数", "passive counters"),
    "grade.negotiated": ("协商速率", "negotiated speed"),
    "grade.partial": ("协商速率,部分线路未知", "negotiated speed, part of the way unseen"),
    "grade.inspected": ("现场检查", "inspected"),
    "grade.declared": ("自报", "declared"),
    "basis.port": ("端口", "Port"),
    "basis.reach": ("全程", "Reach"),
    "basis.share": ("均分", "Share"),
    "basis.port.about": ("交换机端口与网卡中较慢者", "slower of switch port and network card"),
    "basis.reach.about": ("从教室一路到教育网的最窄处", "narrowest part from the room to the network"),
    "basis.share.about": ("上课教室同时使用时每间分得", "each room's part when all rooms in lesson use it"),
    "basis.decides": ("以此判定", "decides"),
    "direction.down": ("下行", "down"),
    "direction.up": ("上行", "up"),
    "link.estimate": ("约 {rate}", "about {rate}"),
    "link.at_least": ("≥ {rate}", "≥ {rate}"),
    "link.at_most": ("≤ {rate}", "≤ {rate}"),
    "link.half_duplex": ("半双工", "half duplex"),
    "link.half_duplex_at": ("{rate} 半双工", "{rate} half duplex"),
    "link.unknown": ("未知", "unknown"),
    "required": ("要求 {rate}", "required {rate}"),
    "device.awake": ("开机", "awake"),
    "device.asleep": ("待机", "asleep"),
    "device.away": ("不在线", "away"),
    "device.none": ("未登记设备", "no device listed"),
    "device.whiteboard": ("交互式白板", "whiteboard"),
    "device.panel": ("交互式平板", "interactive panel"),
    "device.projector": ("投影机", "projector"),
    "device.computer": ("计算机", "computer"),
    "access.wired": ("有线", "wired"),
    "access.wifi": ("无线", "Wi-Fi"),
    "access.cellular": ("移动网络", "cellular"),
    "kind.city": ("城区学校", "city school"),
    "kind.hub": ("中心校", "hub school"),
    "kind.base": ("基点校", "base school"),
    "kind.point": ("教学点", "teaching point"),
    "evidence.port": ("{switch} {port}:{speed},{duplex}", "{switch} {port}: {speed}, {duplex}"),
    "evidence.port_down": ("{switch} {port}:断开", "{switch} {port}: down"),
    "evidence.full_duplex": ("全双工", "full duplex"),
    "evidence.half_duplex": ("半双工", "half duplex"),
    "evidence.duplex_unknown": ("双工未知", "duplex unknown"),
    "evidence.speed_unknown": ("速率未知", "speed unknown"),
    "evidence.bad_frames": (
        "坏帧 +{count}:请查网线和两端双工",
        "{count} more bad frames: check cable and duplex of both ends",
    ),
    "evidence.shared_port": ("与 {rooms} 共用此端口", "shares this port with {rooms}"),
    "evidence.segment_shared": ("{count} 间教室共用", "shared by {count} classroom(s)"),
    "evidence.device": ("大屏{state}", "device {state}"),
    "evidence.device_by": ("大屏{state}({seen_by})", "device {state} ({seen_by})"),
    "seen_by.snmp": ("SNMP 应答", "answered SNMP"),
    "seen_by.mqtt": ("MQTT 上报", "reported over MQTT"),
    "seen_by.icmp": ("Ping 应答", "answered ping"),
    "seen_by.arp": ("ARP 可见", "seen by ARP"),
    "seen_by.traffic": ("端口有流量", "its port carries traffic"),
    "evidence.kind.port": ("端口", "port"),
    "evidence.kind.segment": ("干线", "trunk"),
    "evidence.kind.device": ("设备", "device"),
    "evidence.kind.path": ("校内线路", "in-school way"),
    "evidence.kind.uplink": ("上联", "uplink"),
    "evidence.kind.exit": ("出口", "exit"),
    "evidence.beyond": ("经出口 {exit} {known}", "beyond exit {exit} {known}"),
    "evidence.tested": ("{known}({test})", "{known} ({test})"),
    "test.passed": ("通过", "passed"),
    "test.failed": ("未通过", "failed"),
    "test.cost": ("用 {bytes}、{seconds}", "{bytes} in {seconds}"),
    "test.watched": ("观察 {seconds},不发测试流量", "watched for {seconds}, no load"),
    "test.thetas": ("门限 {low} 至 {high}", "thresholds {low} to {high}"),
    "test.bucket": ("令牌桶按 {bytes} 计", "token bucket taken as {bytes}"),
    "test.loss": ("丢包 {ratio}%", "loss {ratio}%"),
    "test.windows": (
        "{count} 个窗口 {low} 至 {high},中位 {middle}",
        "{count} windows {low} to {high}, median {middle}",
    ),
    "test.cross": ("其他流量 {bytes}", "other traffic {bytes}"),
    "test.queue": ("排队最长 {duration}", "longest queue {duration}"),
    "mode.quick": ("快速测试", "quick test"),
    "mode.drain": ("排空测试", "drain test"),
    "mode.passive": ("看流量计数", "traffic counters"),
    "mode.tcp": ("TCP 测试", "TCP test"),
    "mode.iperf3": ("iperf3 测试", "iperf3 test"),
    "gateway.up": ("在线", "reporting"),
    "silent.maintenance": ("无上报:计划维护中({work})", "silent: planned maintenance ({work})"),
    "silent.exam": ("无上报:考试日", "silent: an examination day"),
    "silent.after_lessons": (
        "无上报:课后停的,上课后仍无上报才算故障",
        "silent since after lessons: a fault only if it still is in the next ones",
    ),
    "silent.lost": ("无上报:停电、断网或网关故障", "silent: power, line or the box itself"),
    "gateway.never": ("从未上报", "never heard"),
    "gateway.backlog": ("积压 {count} 条", "{count} records waiting"),
    "gateway.skew": ("时钟偏差 {seconds}", "clock off by {seconds}"),
    "refused.twin": (
        "另有机器用同一身份上报(多半是复制的系统盘),已拒收 {count} 份报告,请给其中一台换新的网关名和令牌",
        "{count} reports of another machine with the same identity refused (a copied disk?): give one a name and token",
    ),
    "refused.identity": (
        "拒收 {count} 条:教室不属于该网关的学校,请核对 agent.yml 的 classroom",
        "{count} records refused: their room is of no school of this gateway; check classroom in agent.yml",
    ),
    "refused.inventory": (
        "拒收 {count} 条:该网关上报的名称超过上限(教室、交换机、链路、目标),请清理 agent.yml 或补录名册",
        "{count} records refused: too many rooms, switches, trunks or targets; tidy agent.yml or complete the roster",
    ),
    "refused.beyond": (
        "(上限 {limit})。数量属实的,请区县调大 policy 中的 {setting}",
        " (at most {limit}). If they are right as they are, the bureau raises {setting} in the policy",
    ),
    "refused.remembered": (
        "(最多记录 {limit} 个;确有需要的,请区县调大 policy 中的 {setting})",
        " (at most {limit} are remembered; where more are needed, the bureau raises {setting} in the policy)",
    ),
    "refused.since": ("最早", "first"),
    "refused.last": ("最近", "last"),
    "refused.classroom": (
        "拒收 {count} 条:名册里没有的教室太多,请核对 agent.yml 的 classroom,并补录名册",
        "{count} records refused: too many rooms that the roster does not list; check classroom in agent.yml",
    ),
    "refused.switch": (
        "拒收 {count} 条:交换机太多,请看 agent.yml 中的名称是否每次都变,是否列入了别校的设备",
        "{count} records refused: too many switches; see whether their names change, or another school's are listed",
    ),
    "refused.segment": (
        "拒收 {count} 条:干线和无线接入点太多,请核对 agent.yml 中交换机的上联端口",
        "{count} records refused: too many trunks and access points; check the uplink ports in agent.yml",
    ),
    "refused.behind": (
        "拒收 {count} 条:干线后面列出的交换机太多,请核对 agent.yml 中的 trunks",
        "{count} records refused: too many switches listed behind trunks; check trunks in agent.yml",
    ),
    "refused.facts": (
        "拒收 {count} 条:大屏自报的信息太长(字节),请在 agent.yml 的 profiles 里只保留需要的",
        "{count} records refused: what a device says of itself is too long (bytes); keep fewer facts in its profile",
    ),
    "refused.target": (
        "拒收 {count} 条:平台地址太多,agent.yml 中只保留 collector.yml 的 platforms 里列出的目标",
        "{count} records refused: too many platform addresses; keep those that collector.yml lists under platforms",
    ),
    "refused.test": (
        "拒收 {count} 条:测速目标太多(上下行分别计),请核对 agent.yml",
        "{count} records refused: too many bandwidth targets, each direction counted; check agent.yml",
    ),
    "refused.exit": (
        "拒收 {count} 条:城域网出口太多,同一出口在 agent.yml 的 beyond 中必须写同一个名称",
        "{count} records refused: too many exits; one exit has one name in every `beyond` of agent.yml",
    ),
    "refused.schema": (
        "拒收 {count} 条:格式不符,请升级该网关的采集程序",
        "{count} records refused: not well formed; update the agent",
    ),
    "refused.internal": (
        "拒收 {count} 条:平台自身的缺陷,请查看平台日志",
        "{count} records refused: a fault of the collector; see its log",
    ),
    "refused.gaps": (
        "该网关丢失的记录太多,旧缺口已关闭({count} 次),请检查其磁盘",
        "this gateway lost so many records that old gaps were closed ({count} times); check its disk",
    ),
    "refused.late_gaps": (
        "拒收 {count} 条:补报太晚,所在缺口已关闭",
        "{count} records refused: they came for a gap that was closed",
    ),
    "refused.spools": (
        "该网关反复新建缓存({count} 次),磁盘可能不保存数据,请检查",
        "this gateway keeps making new spools ({count}); its disk may forget, check it",
    ),
    "platform.up": ("可达", "reachable"),
    "platform.down": ("不可达", "unreachable"),
    "platform.unknown": ("未知", "unknown"),
    "platform.http": ("打开用 {duration}", "page in {duration}"),
    "platform.rtt": ("往返 {duration}", "round trip {duration}"),
    "platform.loss": ("丢包 {ratio}%", "loss {ratio}%"),
    "platform.fault": ("平台方故障", "the platform's own fault"),
    "reason.timeout": ("超时", "timeout"),
    "reason.refused": ("连接被拒绝", "refused"),
    "reason.unreachable": ("网络不可达", "unreachable"),
    "reason.name_unresolved": ("域名解析失败", "name not resolved"),
    "reason.tls_invalid": ("证书无效", "certificate not valid"),
    "reason.authority_unknown": (
        "证书由陌生机构签发,多为本校防火墙在解密检查",
        "certificate from another authority, mostly a firewall at the school that inspects",
    ),
    "reason.not_the_platform": (
        "应答的不是平台,而是认证门户、代理之类",
        "something else answered in its place: a portal, a proxy",
    ),
    "reason.unproven": (
        "无法证明应答的是平台:探测地址请改用 https,或设置 expect",
        "not proven who answered: use an https address, or set expect",
    ),
    "reason.status_unexpected": ("返回错误状态", "unexpected status"),
    "reason.protocol": ("应答不合规", "answer not understood"),
    "reason.auth_failed": ("认证失败", "credentials refused"),
    "reason.not_found": ("未找到该端口", "no such port"),
    "reason.permission": ("权限不足", "no permission"),
    "reason.tool_missing": ("缺少程序", "program missing"),
    "reason.clock": ("网关时钟不准", "the gateway's clock is wrong"),
    "reason.peer_busy": ("测速端忙", "responder busy"),
    "reason.no_policy": ("网关还没有拿到判定标准", "the gateway had no thresholds yet"),
    "reason.outside_hours": ("不在允许测速的时段", "outside the hours for tests"),
    "reason.budget": ("流量额度已用完", "byte budget used up"),
    "reason.no_data": ("没有收到测试数据", "no test data arrived"),
    "reason.sender_limited": ("测速端发送不足", "the sender was the limit"),
    "reason.receiver_limited": ("网关接收不足", "the gateway was the limit"),
    "reason.time_limit": ("限定时间内无法判定", "undecided within the time"),
    "reason.deadline": ("探测超出时限", "cut off at the deadline"),
    "reason.probe_bug": ("探测程序出错", "a fault of the probe"),
    "reason.other": ("其他原因({code})", "other ({code})"),
    # --- units ------------------------------------------------------------------------------------------------------
    "unit.gbps": ("{value} Gbit/s", "{value} Gbit/s"),
    "unit.mbps": ("{value} Mbit/s", "{value} Mbit/s"),
    "unit.kbps": ("{value} kbit/s", "{value} kbit/s"),
    "unit.mbyte": ("{value} MB", "{value} MB"),
    "unit.milliseconds": ("{value} 毫秒", "{value} ms"),
    "unit.seconds": ("{value} 秒", "{value} s"),
    "unit.minutes": ("{value} 分钟", "{value} min"),
    "unit.hours": ("{value} 小时", "{value} h"),
    "unit.days": ("{value} 天", "{value} d"),
    "unit.percent": ("{value}%", "{value}%"),
    "ago": ("{duration}前", "{duration} ago"),
    "now": ("刚刚", "just now"),
    "never": ("从未", "never"),
    "moment": ("{month}{day}日 {clock}", "{day} {month} {clock}"),
    "moment.other_year": ("{year}年{month}{day}日 {clock}", "{day} {month} {year} {clock}"),
    "moment.elsewhere": ("{moment}({zone})", "{moment} ({zone})"),
    "month.1": ("1月", "Jan"),
    "month.2": ("2月", "Feb"),
    "month.3": ("3月", "Mar"),
    "month.4": ("4月", "Apr"),
    "month.5": ("5月", "May"),
    "month.6": ("6月", "Jun"),
    "month.7": ("7月", "Jul"),
    "month.8": ("8月", "Aug"),
    "month.9": ("9月", "Sep"),
    "month.10": ("10月", "Oct"),
    "month.11": ("11月", "Nov"),
    "month.12": ("12月", "Dec"),
    "list.separator": ("、", ", "),
    # --- chat -------------------------------------------------------------------------------------------------------
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
        "请把教室补进名册;写错编号的,改网关的 agent.yml。",
        "List them; if the number is wrong, mend the gateway's agent.yml.",
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
    # --- board ------------------------------------------------------------------------------------------------------
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
        "没有测速对象,请在 agent.yml 加一个 bandwidth 目标",
        "nothing tests this line: add a bandwidth target to agent.yml",
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
        "这些教室有数据上报,但名册里没有:不参加判定,请登记或改正 agent.yml。",
        "These rooms report but are not in the roster: they are not judged. List them, or correct agent.yml.",
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
    # --- Grafana ----------------------------------------------------------------------------------------------------
    "grafana.title": ("教室就绪(千兆到校 · 百兆到班)", "Classroom readiness"),
    "grafana.datasource": ("数据源", "Data source"),
    "grafana.office": ("单位", "Office"),
    "grafana.school": ("学校", "School"),
    "grafana.classroom": ("教室", "Classroom"),
    "grafana.gateway": ("网关", "Gateway"),
    "grafana.cause": ("原因", "Cause"),
    "grafana.platform": ("平台", "Platform"),
    "grafana.yes": ("是", "yes"),
    "grafana.no": ("否", "no"),
    "grafana.row.office": ("单位与学校", "Offices and schools"),
    "grafana.row.school": ("学校:上联、平台、网关", "School: uplink, platforms, gateways"),
    "grafana.row.classroom": ("教室", "Classrooms"),
    "grafana.ready": ("可用(现在)", "Ready (now)"),
    "grafana.compliant": ("达标(已证实)", "Compliant (proven)"),
    "grafana.compliant_ratio": ("达标率(不含豁免)", "Compliant ratio (exempt left out)"),
    "grafana.no_data": ("无数据", "no data"),
    "grafana.nothing_drawn": (
        "无数据(所选学校多于 {schools} 所时不画,请先选学校)",
        "no data (more than {schools} schools are not drawn: choose some)",
    ),
    "grafana.not_scraped": ("采集失败的单位", "Offices not scraped"),
    "grafana.open": ("打开", "Open"),
    "grafana.name": ("名称", "Name"),
    "grafana.ratio": ("达标率", "Compliant ratio"),
    "grafana.classrooms": ("教室数", "Classrooms"),
    "grafana.main_causes": ("主要原因", "Main causes"),
    "grafana.offices": ("各单位达标教室", "Compliant classrooms by office"),
    "grafana.schools": ("各学校现况", "Schools now"),
    "grafana.schools.about": (
        "待处理 = 不可用 + 未知,多者在前。上下行是该校最慢的线路:有实测值的用实测值,否则写已证明的“至少”。",
        "To do = not ready + unknown, most first. Down and up: the school's slowest line, measured or else proven.",
    ),
    "grafana.to_do": ("待处理", "To do"),
    "grafana.down": ("下行", "Down"),
    "grafana.up": ("上行", "Up"),
    "grafana.down_is": ("下行为", "Down is"),
    "grafana.up_is": ("上行为", "Up is"),
    "grafana.bound.estimate": ("实测", "measured"),
    "grafana.bound.at_least": ("至少", "at least"),
    "grafana.ready_over_time": ("可用教室变化", "Ready classrooms over time"),
    "grafana.uplink": ("学校上联带宽", "School uplink"),
    "grafana.segments": ("校内干线:速率与超配倍数", "Trunks in the school: capacity and contention"),
    "grafana.segment": ("干线", "Trunk"),
    "grafana.capacity": ("速率", "Capacity"),
    "grafana.contention": ("超配倍数", "Contention"),
    "grafana.platform_up": ("教育平台可达(空白为未知)", "Platform reachable (gap = unknown)"),
    "grafana.platform_http": ("平台页面打开用时", "Platform page time"),
    "grafana.platform_rtt": ("平台往返时延", "Platform round trip"),
    "grafana.platform_loss": ("平台丢包率", "Platform loss"),
    "grafana.gateway_up": ("网关在线", "Gateway reporting"),
    "grafana.gateways": ("校园网关", "Gateways"),
    "grafana.last_report": ("最近上报", "Last report"),
    "grafana.never": ("从未上报", "never heard"),
    "grafana.skew": ("时钟偏差", "Clock skew"),
    "grafana.spool": ("积压记录", "Records waiting"),
    "grafana.certificates": ("平台证书", "Certificates of platforms"),
    "grafana.expires": ("到期", "Expires"),
    "grafana.days_left": ("剩余天数", "Days left"),
    "grafana.causes": ("现在的原因", "Causes now"),
    "grafana.room_ready": ("教室可用(空白为未知)", "Classroom ready (gap = unknown)"),
    "grafana.room_compliant": ("教室达标(空白为未知或豁免)", "Classroom compliant (gap = unknown or exempt)"),
    "grafana.room_device": ("大屏开机", "Device awake"),
    "grafana.room_link": ("教室接入带宽(端口、全程、均分)", "Classroom link (port, reach, share)"),
    "grafana.room_ratio": ("判定依据与要求之比", "Deciding basis over required"),
    "grafana.required": ("要求", "Required"),
    "grafana.incidents": ("未结事件", "Open incidents"),
    "grafana.firing": ("已通知", "told"),
    "grafana.pending": ("待通知", "not told yet"),
    "grafana.in_lesson": ("上课中", "In a lesson"),
    "grafana.version": ("版本", "Version"),
    "grafana.platform_name": ("平台名称", "Platform name"),
    "grafana.room_name": ("班级", "Class"),
    "grafana.evidence": ("判定依据的测量时间", "When the evidence was measured"),
    "grafana.port": ("端口", "Port"),
    "grafana.line": ("线路", "Line"),
    "grafana.inside": ("校内", "Inside the school"),
    "grafana.device": ("设备", "Device"),
}


def say(message_id: str, language: Language, **fields: object) -> str:
    """Fill in one message. An unknown id or a missing field is a bug and raises KeyError."""
    return MESSAGES[message_id][LANGUAGES.index(language)].format_map(fields)


def reason(code: str, language: Language) -> str:
    """Name the reason an agent gave; one without a text of its own is shown as its code."""
    known = f"reason.{code}"
    return say(known, language) if known in MESSAGES else say("reason.other", language, code=code)


def note_text(word: str, fields: Mapping[str, str], language: Language) -> str:
    """Say what a file leaves open."""
    weekday = fields.get("weekday")
    named = {"weekday": say(f"weekday.{weekday}", language)} if weekday else {}
    return say(f"note.{word}", language, **{**fields, **named})


def delivery_problem(found: str, language: Language) -> str:
    """Say why a message was not delivered, from ``word`` or ``word (code)`` as the outbox keeps it."""
    word, bracket, code = found.partition(" (")
    known = f"delivery.{word}"
    return say(known if known in MESSAGES else "delivery.other", language) + bracket + code


def rate(rate_bps: float, language: Language) -> str:
    """Round down to one decimal, so that 99.97 never reads as the 100 it is not."""
    units = (("gbps", 1_000 * MBIT), ("mbps", MBIT), ("kbps", MBIT / 1_000))
    unit, unit_bps = next((u for u in units if rate_bps >= u[1]), units[-1])
    return say(f"unit.{unit}", language, value=_short(floor(rate_bps * 10 / unit_bps) / 10))


def capacity(interval: Interval, language: Language) -> str:
    """Say what is known of a capacity: an estimate where there is one, else the bounds."""
    if interval.half_duplex and interval.at_most_bps is not None:
        return say("link.half_duplex_at", language, rate=rate(interval.at_most_bps, language))
    if interval.half_duplex:
        return say("link.half_duplex", language)
    if interval.estimate_bps is not None:
        return say("link.estimate", language, rate=rate(interval.estimate_bps, language))
    if interval.at_least_bps is not None:
        return say("link.at_least", language, rate=rate(interval.at_least_bps, language))
    if interval.at_most_bps is not None:
        return say("link.at_most", language, rate=rate(interval.at_most_bps, language))
    return say("link.unknown", language)


def size(count_bytes: float, language: Language) -> str:
    return say("unit.mbyte", language, value=_short(round(count_bytes / MBYTE, 1)))


def duration(seconds: float, language: Language) -> str:
    """Say a span of time in its largest fitting unit."""
    if seconds < 1:
        return say("unit.milliseconds", language, value=max(0, round(seconds * 1_000)))
    for unit, unit_s, limit_s in (("seconds", 1, 120), ("minutes", 60, 7_200), ("hours", 3_600, 172_800)):
        if seconds < limit_s:
            return say(f"unit.{unit}", language, value=floor(seconds / unit_s))
    return say("unit.days", language, value=floor(seconds / 86_400))


def ago(at: float | None, now: float, language: Language) -> str:
    if at is None:
        return say("never", language)
    return say("now", language) if now - at < 1 else say("ago", language, duration=duration(now - at, language))


def moment(
    at: float, utc_offset_s: float, language: Language, *, now: float, reader_offset_s: float | None = None
) -> str:
    """Date and time of day at a place; the year only where it is another one than now.

    Where the reader keeps another time (None = the same), the zone is named.
    """
    there = _local(at, utc_offset_s)
    known = "moment" if there.year == _local(now, utc_offset_s).year else "moment.other_year"
    fields = {"month": say(f"month.{there.month}", language), "day": there.day, "clock": there.strftime("%H:%M")}
    text = say(known, language, **fields) if known == "moment" else say(known, language, year=there.year, **fields)
    if reader_offset_s in {None, utc_offset_s}:
        return text
    return say("moment.elsewhere", language, moment=text, zone=zone_name(utc_offset_s))


def zone_name(utc_offset_s: float) -> str:
    """Name a zone as people write it: UTC+8, UTC+5:45."""
    hours, minutes = divmod(round(abs(utc_offset_s) / 60), 60)
    if not hours and not minutes:
        return "UTC"
    return f"UTC{'-' if utc_offset_s < 0 else '+'}{hours}{f':{minutes:02}' if minutes else ''}"


def machine_time(at: float, utc_offset_s: float) -> str:
    """ISO 8601 with its offset, to the second: for ``<time datetime>``."""
    return _local(at, utc_offset_s).isoformat(timespec="seconds")


def _local(at: float, utc_offset_s: float) -> datetime:
    return datetime.fromtimestamp(at, timezone(timedelta(seconds=utc_offset_s)))


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
