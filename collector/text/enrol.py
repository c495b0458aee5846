"""What the person at a school reads who enrols a box, and what stands on the slip that he was given."""

from collector.text.languages import Texts

TEXTS: Texts = {
    "enrol.unknown": (
        "没有这个登记码:请对照登记单再输入一次,或请教育局重新发一个。",
        "There is no such code: compare it with the slip and type it again, or ask the bureau for another one.",
    ),
    "enrol.used": (
        "这个登记码已经用过了:每个码只能用一次,请教育局重新发一个。",
        "This code was used already: each is good once; ask the bureau for another one.",
    ),
    "enrol.expired": (
        "这个登记码已过期:请教育局重新发一个。",
        "This code has expired: ask the bureau for another one.",
    ),
    "enrol.revoked": (
        "这个登记码已被教育局收回或被新码代替:请使用最新的登记单。",
        "The bureau took this code back or made a newer one: use the newest slip.",
    ),
    "enrol.wrong_school": (
        "这个登记码是发给另一所学校的:请使用本校的登记单。",
        "This code was made for another school: use the slip of your own school.",
    ),
    "enrol.not_listed": (
        "教育局的名册里已没有这所学校或它的这台网关:请联系教育局。",
        "The bureau's roster no longer lists this school with this gateway: tell the bureau.",
    ),
    "enrol.too_often": (
        "尝试次数太多:请等 {seconds} 秒再试,并仔细核对登记码。",
        "Too many tries: wait {seconds} s, and compare the code with the slip.",
    ),
    "enrol.clock": (
        "本机时钟相差 {duration}:请先校准时间再重试,登记码仍然有效。",
        "The clock of this box is wrong by {duration}: set it and try again; the code is still good.",
    ),
    "enrol.malformed": (
        "登记请求的格式不对({detail}):请使用教育局提供的安装命令。",
        "This is no request to enrol ({detail}): use the command that the bureau gave you.",
    ),
    "enrol.store_away": (
        "采集服务暂时无法登记:请过几分钟再试,登记码仍然有效。",
        "The collector cannot enrol just now: try again in a few minutes; the code is still good.",
    ),
    "slip.title": ("网关登记单", "Enrolment of a gateway"),
    "slip.school": ("学校", "School"),
    "slip.school_id": ("学校代码", "School id"),
    "slip.office": ("主管单位", "Office"),
    "slip.gateway": ("网关", "Gateway"),
    "slip.code": ("登记码", "Code"),
    "slip.line": ("在网关上输入这一行命令", "Type this one line on the gateway"),
    "slip.until": ("有效期至", "Valid until"),
    "slip.once": (
        "登记码只能用一次,请勿转交他人;输错或过期请联系教育局重新领取。",
        "The code is good once: give it to nobody else. If it does not work, ask the bureau for another one.",
    ),
}
