"""What a check saw (``.seen``) and what to do about it (``.remedy``): (Chinese, English)."""

SENTENCES: dict[str, tuple[str, str]] = {
    "clock_ok.seen": ("时间可信({now})", "the clock is known to be right ({now})"),
    "clock_before_build.seen": (
        "本机时间是 {now},比程序的发布日期 {built} 还早;时间不对,TLS 会拒绝所有证书",
        "this gateway's clock says {now}, before this program's release ({built}): TLS will refuse every certificate",
    ),
    "clock_before_build.remedy": (
        "校准时间:timedatectl set-ntp true;没有 NTP 时用 date -s 手工设置,并检查主板电池",
        "set the clock: timedatectl set-ntp true; without NTP by hand with date -s, and look at the clock battery",
    ),
    "clock_off.seen": (
        "本机时间 {now} 与采集中心相差 {offset_s} 秒",
        "this gateway's clock ({now}) differs from the collector's by {offset_s} s",
    ),
    "clock_off.remedy": (
        "校准时间:timedatectl set-ntp true,或把 NTP 服务器指向网络中心给的地址",
        "set the clock: timedatectl set-ntp true, with the NTP server that your network office names",
    ),
    "clock_unsynchronised.seen": (
        "没有时间服务器校准过本机时间({now})",
        "no time server is known to have set this gateway's clock ({now})",
    ),
    "clock_unsynchronised.remedy": (
        "打开时间同步:timedatectl set-ntp true",
        "turn time synchronisation on: timedatectl set-ntp true",
    ),
    "link_ok.seen": ("采集中心已确认收到", "the collector acknowledges what is sent"),
    "link_waiting.seen": ("启动以来还没有上报过", "nothing was reported since the start yet"),
    "link_timeout.seen": ("采集中心没有在规定时间内应答。{detail}", "the collector did not answer in time. {detail}"),
    "link_timeout.remedy": (
        "检查出口网络和防火墙是否放行到采集中心的连接",
        "see whether the school's line is up and its firewall lets connections to the collector out",
    ),
    "link_disconnected.seen": ("连不上采集中心。{detail}", "no connection to the collector. {detail}"),
    "link_disconnected.remedy": (
        "检查网线、出口和防火墙;核对设置 link 里的地址和端口",
        "see to cable, line and firewall; compare address and port of link in the settings",
    ),
    "link_tls.seen": ("与采集中心的加密连接被拒绝。{detail}", "the encrypted connection was refused. {detail}"),
    "link_tls.remedy": (
        "先核对本机时间;再核对设置 link.ca_file 是否为教育局给的证书",
        "look at this gateway's clock first; then at link.ca_file: is it the certificate that the bureau gave out?",
    ),
    "link_denied.seen": ("采集中心不认本网关的令牌或密码", "the collector refuses this gateway's token or password"),
    "link_denied.remedy": (
        "请教育局重新发放本网关的令牌,写入令牌文件",
        "ask the bureau for a new credential of this gateway and put it into its file",
    ),
    "link_revoked.seen": (
        "本网关的令牌已被教育局收回,或已被新令牌代替",
        "the bureau took this gateway's token back, or another one is in use",
    ),
    "link_revoked.remedy": (
        "请教育局重新发一个登记码,删除令牌文件后重新登记",
        "ask the bureau for a new code, remove the token file, and enrol again",
    ),
    "link_twin.seen": ("另一台机器正用本网关的身份上报", "another machine reports as this gateway"),
    "link_twin.remedy": (
        "两台机器用了同一份磁盘或令牌:停掉其中一台,并请教育局重新发一个登记码",
        "two machines have the same disk or token: stop one of them, and ask the bureau for a new code",
    ),
    "link_rc16_no_subscriber.seen": (
        "消息服务器在,但采集中心没有连上它",
        "the broker is there, and no collector is connected to it",
    ),
    "link_rc16_no_subscriber.remedy": ("请告诉教育局;记录不会丢", "tell the bureau; the records are kept"),
    "link_rc135_denied.seen": (
        "消息服务器不让本网关上报(权限表)",
        "the broker does not let this gateway report (its access list)",
    ),
    "link_rc135_denied.remedy": ("请教育局核对消息服务器的权限表", "have the bureau look at the broker's access list"),
    "link_not_acknowledged.seen": (
        "采集中心有应答,但没有确认收到这些记录",
        "the collector answers and has not acknowledged these records",
    ),
    "link_not_acknowledged.remedy": ("请告诉教育局;记录不会丢", "tell the bureau; the records are kept"),
    "link_busy.seen": ("采集中心正忙,会自动重试", "the collector is busy; it is tried again by itself"),
    "link_busy.remedy": ("等几分钟;一直如此请告诉教育局", "wait some minutes; if it stays, tell the bureau"),
    "link_server_error.seen": ("采集中心出错,会自动重试", "the collector has a fault; it is tried again by itself"),
    "link_server_error.remedy": ("请告诉教育局", "tell the bureau"),
    "link_not_a_collector.seen": (
        "应答的不是采集中心(可能是上网认证页面)",
        "what answers is not the collector, perhaps a login page of the network",
    ),
    "link_not_a_collector.remedy": (
        "核对设置 link 里的地址;让网络中心对本网关免认证",
        "compare the address of link in the settings; have the network let this gateway through without a login",
    ),
    "link_other.seen": ("上报没有送达:{why}。{detail}", "reports are not delivered: {why}. {detail}"),
    "link_other.remedy": ("把这一行发给教育局", "send this line to the bureau"),
    "spool_ok.seen": ("待发记录正常({count} 条)", "records that wait are on the disk ({count})"),
    "spool_degraded.seen": (
        "磁盘写不进去,记录只在内存里,重启会丢",
        "the disk cannot be written: records are in memory only, and a restart loses them",
    ),
    "spool_degraded.remedy": (
        "检查磁盘是否已满或只读:df -h 和 mount",
        "see whether the disk is full or read-only: df -h and mount",
    ),
    "spool_full.seen": (
        "待发记录占满了上限({percent} %),再多就丢最早的",
        "records that wait fill {percent} % of their room; beyond it the oldest are dropped",
    ),
    "spool_full.remedy": ("尽快恢复到采集中心的连接", "bring the way to the collector back soon"),
    "permission.seen": ("{target}:本机权限不足。{detail}", "{target}: no permission on this gateway. {detail}"),
    "permission.remedy": (
        "以服务方式运行(systemctl restart classready-agent),服务带有所需权限",
        "run it as the service (systemctl restart classready-agent), which has the permission it needs",
    ),
    "bureau_refused.seen": (
        "教育局下发的设置没有采用,仍按原来的设置运行。原因(原文):{problem}",
        "settings from the bureau were refused, those before are in force: {problem}",
    ),
    "bureau_refused.remedy": (
        "告诉教育局;原因若指向本机的 agent.yml 或 agent.d,改好后 systemctl reload classready-agent",
        "tell the bureau; where the reason is in agent.yml or agent.d, mend it, then systemctl reload classready-agent",
    ),
    "reload_refused.seen": (
        "设置文件改过,但有错,现在还用旧的设置",
        "the settings file was changed and has errors: the old settings still hold",
    ),
    "reload_refused.remedy": (
        "运行 classready-agent check,改好每一行后 systemctl reload classready-agent",
        "run classready-agent check, mend each line, then systemctl reload classready-agent",
    ),
}
