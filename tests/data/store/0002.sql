BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0002');
CREATE TABLE audit (
	id INTEGER NOT NULL, 
	at DOUBLE NOT NULL, 
	actor VARCHAR(64) NOT NULL, 
	action VARCHAR(64) NOT NULL, 
	detail TEXT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "audit" VALUES(1,1795400000.0,'operator','roster_applied','3 schools, policy as before');
CREATE TABLE bandwidth_result (
	gateway VARCHAR(40) NOT NULL, 
	spool_id VARCHAR(32) NOT NULL, 
	sequence BIGINT NOT NULL, 
	observed_at DOUBLE NOT NULL, 
	target VARCHAR(64) NOT NULL, 
	direction VARCHAR(8), 
	mode VARCHAR(16), 
	outcome VARCHAR(16), 
	reason VARCHAR(32), 
	at_least_bps DOUBLE, 
	at_most_bps DOUBLE, 
	estimate_bps DOUBLE, 
	theta0_bps DOUBLE, 
	theta1_bps DOUBLE, 
	bucket_bytes BIGINT, 
	bytes BIGINT, 
	seconds DOUBLE, 
	loss_ratio DOUBLE, classroom VARCHAR(65), beyond VARCHAR(64), windows TEXT, 
	PRIMARY KEY (gateway, spool_id, sequence)
);
INSERT INTO "bandwidth_result" VALUES('gw-two','0123456789abcdef0123456789abcdef',1,1795399995.0,'uplink','down','drain','pass',NULL,95000000.0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "bandwidth_result" VALUES('gw-two','0123456789abcdef0123456789abcdef',2,1795399997.0,'uplink','down','drain','pass',NULL,95000000.0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "bandwidth_result" VALUES('gw-two','0123456789abcdef0123456789abcdef',11,1795400015.0,'uplink','down','drain','fail',NULL,NULL,100000000.0,80000000.0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "bandwidth_result" VALUES('gw-two','0123456789abcdef0123456789abcdef',12,1795400017.0,'uplink','down','drain','fail',NULL,NULL,100000000.0,80000000.0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE bureau_state (
	id INTEGER NOT NULL, 
	revision BIGINT NOT NULL, 
	state TEXT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "bureau_state" VALUES(1,12,'{"version":1,"incidents":{"511402|uplink_below_required":{"id":"000002","office":"511402","cause":"uplink_below_required","opened_at":1795400020.0,"members":{"s3|uplink:gw-two":{"change":"opened","office":"511402","school":"s3","school_name":"示例小学","subject":"uplink:gw-two","cause":"uplink_below_required","at":1795400020.0,"classrooms":["r1"],"measured":80000000.0,"limit":100000000.0},"s2|uplink:gw-one":{"change":"opened","office":"511402","school":"s2","school_name":"示例教学点","subject":"uplink:gw-one","cause":"uplink_below_required","at":1795400021.0,"classrooms":["r2","r3"],"measured":80000000.0,"limit":100000000.0}},"resolved_members":{"s1|uplink:gw-one":{"change":"closed","office":"511402","school":"s1","school_name":"示例中心校","subject":"uplink:gw-one","cause":"uplink_below_required","at":1795400060.0,"classrooms":["r1","r2"],"measured":120000000.0,"limit":100000000.0}},"told":["s1|uplink:gw-one","s2|uplink:gw-one","s3|uplink:gw-two"],"due_at":null,"notified_at":1795400051.0},"511402|switch_unreachable":{"id":"000003","office":"511402","cause":"switch_unreachable","opened_at":1795400061.0,"members":{"s1|switch:gw-one/sw/1":{"change":"opened","office":"511402","school":"s1","school_name":"示例中心校","subject":"switch:gw-one/sw/1","cause":"switch_unreachable","at":1795400061.0,"classrooms":["r1"],"measured":null,"limit":null}},"resolved_members":{},"told":["s1|switch:gw-one/sw/1"],"due_at":null,"notified_at":1795400091.0},"511402|segment_below_required":{"id":"000004","office":"511402","cause":"segment_below_required","opened_at":1795400061.0,"members":{"s1|segment:gw-one/sw1:Gi0/0/24":{"change":"opened","office":"511402","school":"s1","school_name":"示例中心校","subject":"segment:gw-one/sw1:Gi0/0/24","cause":"segment_below_required","at":1795400061.0,"classrooms":["r1"],"measured":10000000.0,"limit":100000000.0},"s1|classroom:r2":{"change":"opened","office":"511402","school":"s1","school_name":"示例中心校","subject":"classroom:r2","cause":"segment_below_required","at":1795400061.0,"classrooms":["r2"],"measured":null,"limit":null}},"resolved_members":{},"told":["s1|classroom:r2","s1|segment:gw-one/sw1:Gi0/0/24"],"due_at":null,"notified_at":1795400091.0},"511402|platform_unreachable":{"id":"000005","office":"511402","cause":"platform_unreachable","opened_at":1795400100.0,"members":{"s1|platform:p":{"change":"opened","office":"511402","school":"s1","school_name":"示例中心校","subject":"platform:p","cause":"platform_unreachable","at":1795400100.0,"classrooms":["r1","r2"],"measured":null,"limit":null},"s2|platform:p":{"change":"opened","office":"511402","school":"s2","school_name":"示例教学点","subject":"platform:p","cause":"platform_unreachable","at":1795400100.0,"classrooms":["r3","r2"],"measured":null,"limit":null},"s3|platform:q":{"change":"opened","office":"511402","school":"s3","school_name":"示例小学","subject":"platform:q","cause":"platform_unreachable","at":1795400100.0,"classrooms":["r1"],"measured":null,"limit":null}},"resolved_members":{},"told":[],"due_at":1795400130.0,"notified_at":null},"511402|exit_below_required":{"id":"000006","office":"511402","cause":"exit_below_required","opened_at":1795400100.0,"members":{"s2|exit:metro/1":{"change":"opened","office":"511402","school":"s2","school_name":"示例教学点","subject":"exit:metro/1","cause":"exit_below_required","at":1795400100.0,"classrooms":["r2","r3"],"measured":null,"limit":null}},"resolved_members":{},"told":[],"due_at":1795400130.0,"notified_at":null},"511402|port_down":{"id":"000007","office":"511402","cause":"port_down","opened_at":1795400100.0,"members":{"s2|classroom:r3":{"change":"opened","office":"511402","school":"s2","school_name":"示例教学点","subject":"classroom:r3","cause":"port_down","at":1795400100.0,"classrooms":["r3"],"measured":null,"limit":null}},"resolved_members":{},"told":[],"due_at":1795400130.0,"notified_at":null}},"moves":{"511402":[{"office":"511402","school":"s1","school_name":"示例中心校","classroom":"r1","before":"sw1:1","after":"sw1:2","at":1795400100.0}]},"sent_at":{"511402":[1795400051.0,1795400091.0,1795400091.0]},"incident_count":7}');
CREATE TABLE incident (
	incident VARCHAR(200) NOT NULL, 
	office VARCHAR(32) NOT NULL, 
	cause VARCHAR(40) NOT NULL, 
	opened_at DOUBLE NOT NULL, 
	closed_at DOUBLE, 
	classroom_count INTEGER NOT NULL, 
	PRIMARY KEY (incident)
);
INSERT INTO "incident" VALUES('000001','511402','gateway_silent',1795395000.0,1795396030.0,1);
INSERT INTO "incident" VALUES('000002','511402','uplink_below_required',1795400020.0,NULL,1);
INSERT INTO "incident" VALUES('000003','511402','switch_unreachable',1795400061.0,NULL,1);
INSERT INTO "incident" VALUES('000004','511402','segment_below_required',1795400061.0,NULL,1);
INSERT INTO "incident" VALUES('000005','511402','platform_unreachable',1795400100.0,NULL,2);
INSERT INTO "incident" VALUES('000006','511402','exit_below_required',1795400100.0,NULL,2);
INSERT INTO "incident" VALUES('000007','511402','port_down',1795400100.0,NULL,1);
CREATE TABLE ledger (
	gateway VARCHAR(40) NOT NULL, 
	spool_id VARCHAR(32) NOT NULL, 
	ranges TEXT NOT NULL, 
	applied_records BIGINT NOT NULL, 
	rejected_records BIGINT NOT NULL, 
	declared_drops TEXT NOT NULL, 
	updated_at DOUBLE NOT NULL, 
	PRIMARY KEY (gateway, spool_id)
);
INSERT INTO "ledger" VALUES('gw-two','0123456789abcdef0123456789abcdef','[[1,4],[11,14]]',8,0,'{}',1795400020.0);
INSERT INTO "ledger" VALUES('gw-one','0123456789abcdef0123456789abcdef','[[1,1]]',1,0,'{}',1795400100.0);
CREATE TABLE ledger_rejected (
	gateway VARCHAR(40) NOT NULL, 
	spool_id VARCHAR(32) NOT NULL, 
	sequence BIGINT NOT NULL, 
	reason VARCHAR(40) NOT NULL, 
	PRIMARY KEY (gateway, spool_id, sequence)
);
CREATE TABLE outbox (
	id INTEGER NOT NULL, 
	receiver VARCHAR(64) NOT NULL, 
	notice TEXT NOT NULL, 
	created_at DOUBLE NOT NULL, 
	state VARCHAR(8) NOT NULL, 
	attempt_count INTEGER NOT NULL, 
	due_at DOUBLE NOT NULL, 
	settled_at DOUBLE, 
	reason VARCHAR(200), 
	PRIMARY KEY (id)
);
INSERT INTO "outbox" VALUES(1,'terminal','{"kind":"opened","incident":"000001","office":"511402","cause":"gateway_silent","subject":"","at":1795395030.0,"opened_at":1795395000.0,"members":[{"change":"opened","office":"511402","school":"s1","school_name":"示例中心校","subject":"gateway:gw-one","cause":"gateway_silent","at":1795395000.0,"classrooms":["r1"],"measured":null,"limit":null}],"remaining_classrooms":1,"moves":[]}',1795395030.0,'sent',1,1795395030.0,1795400100.0,NULL);
INSERT INTO "outbox" VALUES(2,'group','{"kind":"opened","incident":"000001","office":"511402","cause":"gateway_silent","subject":"","at":1795395030.0,"opened_at":1795395000.0,"members":[{"change":"opened","office":"511402","school":"s1","school_name":"示例中心校","subject":"gateway:gw-one","cause":"gateway_silent","at":1795395000.0,"classrooms":["r1"],"measured":null,"limit":null}],"remaining_classrooms":1,"moves":[]}',1795395030.0,'pending',0,1795395030.0,NULL,NULL);
INSERT INTO "outbox" VALUES(3,'terminal','{"kind":"resolved","incident":"000001","office":"511402","cause":"gateway_silent","subject":"","at":1795396030.0,"opened_at":1795395000.0,"members":[{"change":"closed","office":"511402","school":"s1","school_name":"示例中心校","subject":"gateway:gw-one","cause":"gateway_silent","at":1795396000.0,"classrooms":["r1"],"measured":null,"limit":null}],"remaining_classrooms":0,"moves":[]}',1795396030.0,'pending',0,1795396030.0,NULL,NULL);
INSERT INTO "outbox" VALUES(4,'group','{"kind":"resolved","incident":"000001","office":"511402","cause":"gateway_silent","subject":"","at":1795396030.0,"opened_at":1795395000.0,"members":[{"change":"closed","office":"511402","school":"s1","school_name":"示例中心校","subject":"gateway:gw-one","cause":"gateway_silent","at":1795396000.0,"classrooms":["r1"],"measured":null,"limit":null}],"remaining_classrooms":0,"moves":[]}',1795396030.0,'pending',0,1795396030.0,NULL,NULL);
INSERT INTO "outbox" VALUES(5,'terminal','{"kind":"opened","incident":"000002","office":"511402","cause":"uplink_below_required","subject":"","at":1795400051.0,"opened_at":1795400020.0,"members":[{"change":"opened","office":"511402","school":"s3","school_name":"示例小学","subject":"uplink:gw-two","cause":"uplink_below_required","at":1795400020.0,"classrooms":["r1"],"measured":80000000.0,"limit":100000000.0},{"change":"opened","office":"511402","school":"s1","school_name":"示例中心校","subject":"uplink:gw-one","cause":"uplink_below_required","at":1795400021.0,"classrooms":["r1","r2"],"measured":80000000.0,"limit":100000000.0},{"change":"opened","office":"511402","school":"s2","school_name":"示例教学点","subject":"uplink:gw-one","cause":"uplink_below_required","at":1795400021.0,"classrooms":["r2","r3"],"measured":80000000.0,"limit":100000000.0}],"remaining_classrooms":5,"moves":[]}',1795400051.0,'pending',0,1795400051.0,NULL,NULL);
INSERT INTO "outbox" VALUES(6,'group','{"kind":"opened","incident":"000002","office":"511402","cause":"uplink_below_required","subject":"","at":1795400051.0,"opened_at":1795400020.0,"members":[{"change":"opened","office":"511402","school":"s3","school_name":"示例小学","subject":"uplink:gw-two","cause":"uplink_below_required","at":1795400020.0,"classrooms":["r1"],"measured":80000000.0,"limit":100000000.0},{"change":"opened","office":"511402","school":"s1","school_name":"示例中心校","subject":"uplink:gw-one","cause":"uplink_below_required","at":1795400021.0,"classrooms":["r1","r2"],"measured":80000000.0,"limit":100000000.0},{"change":"opened","office":"511402","school":"s2","school_name":"示例教学点","subject":"uplink:gw-one","cause":"uplink_below_required","at":1795400021.0,"classrooms":["r2","r3"],"measured":80000000.0,"limit":100000000.0}],"remaining_classrooms":5,"moves":[]}',1795400051.0,'pending',0,1795400051.0,NULL,NULL);
INSERT INTO "outbox" VALUES(7,'terminal','{"kind":"opened","incident":"000003","office":"511402","cause":"switch_unreachable","subject":"","at":1795400091.0,"opened_at":1795400061.0,"members":[{"change":"opened","office":"511402","school":"s1","school_name":"示例中心校","subject":"switch:gw-one/sw/1","cause":"switch_unreachable","at":1795400061.0,"classrooms":["r1"],"measured":null,"limit":null}],"remaining_classrooms":1,"moves":[]}',1795400091.0,'pending',0,1795400091.0,NULL,NULL);
INSERT INTO "outbox" VALUES(8,'group','{"kind":"opened","incident":"000003","office":"511402","cause":"switch_unreachable","subject":"","at":1795400091.0,"opened_at":1795400061.0,"members":[{"change":"opened","office":"511402","school":"s1","school_name":"示例中心校","subject":"switch:gw-one/sw/1","cause":"switch_unreachable","at":1795400061.0,"classrooms":["r1"],"measured":null,"limit":null}],"remaining_classrooms":1,"moves":[]}',1795400091.0,'pending',0,1795400091.0,NULL,NULL);
INSERT INTO "outbox" VALUES(9,'terminal','{"kind":"opened","incident":"000004","office":"511402","cause":"segment_below_required","subject":"","at":1795400091.0,"opened_at":1795400061.0,"members":[{"change":"opened","office":"511402","school":"s1","school_name":"示例中心校","subject":"segment:gw-one/sw1:Gi0/0/24","cause":"segment_below_required","at":1795400061.0,"classrooms":["r1"],"measured":10000000.0,"limit":100000000.0},{"change":"opened","office":"511402","school":"s1","school_name":"示例中心校","subject":"classroom:r2","cause":"segment_below_required","at":1795400061.0,"classrooms":["r2"],"measured":null,"limit":null}],"remaining_classrooms":2,"moves":[]}',1795400091.0,'pending',0,1795400091.0,NULL,NULL);
INSERT INTO "outbox" VALUES(10,'group','{"kind":"opened","incident":"000004","office":"511402","cause":"segment_below_required","subject":"","at":1795400091.0,"opened_at":1795400061.0,"members":[{"change":"opened","office":"511402","school":"s1","school_name":"示例中心校","subject":"segment:gw-one/sw1:Gi0/0/24","cause":"segment_below_required","at":1795400061.0,"classrooms":["r1"],"measured":10000000.0,"limit":100000000.0},{"change":"opened","office":"511402","school":"s1","school_name":"示例中心校","subject":"classroom:r2","cause":"segment_below_required","at":1795400061.0,"classrooms":["r2"],"measured":null,"limit":null}],"remaining_classrooms":2,"moves":[]}',1795400091.0,'pending',0,1795400091.0,NULL,NULL);
CREATE TABLE school_state (
	school VARCHAR(32) NOT NULL, 
	revision BIGINT NOT NULL, 
	state TEXT NOT NULL, 
	PRIMARY KEY (school)
);
INSERT INTO "school_state" VALUES('s1',2,'{"version":1,"gateways":{"gw-one":{"first_committed_at":1795400100.0,"last_committed_at":1795400100.0,"report_interval_s":2.0,"clock_skew_s":null,"spool_records":null,"agent_version":"","silent":false}},"uplinks":{},"paths":{},"switches":{},"segments":{},"platforms":{"gw-one/p":{"gateway":"gw-one","target":"p","http_at":1795400099.0,"up":false,"reason":"timeout","status":null,"phases_s":{},"certificate_expires_at":null,"ping_at":null,"rtt_s":null,"loss_ratio":null}},"classrooms":{"r1":{"gateway":null,"port":null,"pending_port":null,"last_port":null,"place":null,"device":null,"last_awake_at":null,"nic_speed_bps":null,"watched_since":null,"verdict":{"ready":"no","clauses":{"link":"unknown","way":"yes","device":"unknown","platforms":"no"},"causes":["platform_unreachable"],"next_step":null,"link":{"reach":{"at_least_bps":null,"at_most_bps":null,"estimate_bps":null,"half_duplex":false},"share":{"at_least_bps":null,"at_most_bps":null,"estimate_bps":null,"half_duplex":false}},"link_state":"unknown","grade":null,"device_up":null,"ready_since":1795400100.0},"latch":{"value":"unknown","since":null,"evidence_at":null,"contrary_days":[]}},"r2":{"gateway":null,"port":null,"pending_port":null,"last_port":null,"place":null,"device":null,"last_awake_at":null,"nic_speed_bps":null,"watched_since":null,"verdict":{"ready":"no","clauses":{"link":"unknown","way":"yes","device":"unknown","platforms":"no"},"causes":["platform_unreachable"],"next_step":null,"link":{"reach":{"at_least_bps":null,"at_most_bps":null,"estimate_bps":null,"half_duplex":false},"share":{"at_least_bps":null,"at_most_bps":null,"estimate_bps":null,"half_duplex":false}},"link_state":"unknown","grade":null,"device_up":null,"ready_since":1795400100.0},"latch":{"value":"unknown","since":null,"evidence_at":null,"contrary_days":[]}}},"unlisted":{},"alerts":{"platform:p|platform_unreachable":{"bad_streak":1,"good_streak":0,"opened_at":1795400100.0,"bad_since":1795400100.0,"announced":true}},"platform_faults":[]}');
INSERT INTO "school_state" VALUES('s2',2,'{"version":1,"gateways":{"gw-one":{"first_committed_at":1795400100.0,"last_committed_at":1795400100.0,"report_interval_s":2.0,"clock_skew_s":null,"spool_records":null,"agent_version":"","silent":false}},"uplinks":{},"paths":{},"switches":{},"segments":{},"platforms":{"gw-one/p":{"gateway":"gw-one","target":"p","http_at":1795400099.0,"up":false,"reason":"timeout","status":null,"phases_s":{},"certificate_expires_at":null,"ping_at":null,"rtt_s":null,"loss_ratio":null}},"classrooms":{"r3":{"gateway":null,"port":null,"pending_port":null,"last_port":null,"place":null,"device":null,"last_awake_at":null,"nic_speed_bps":null,"watched_since":null,"verdict":{"ready":"no","clauses":{"link":"unknown","way":"yes","device":"unknown","platforms":"no"},"causes":["platform_unreachable"],"next_step":null,"link":{"reach":{"at_least_bps":null,"at_most_bps":null,"estimate_bps":null,"half_duplex":false},"share":{"at_least_bps":null,"at_most_bps":null,"estimate_bps":null,"half_duplex":false}},"link_state":"unknown","grade":null,"device_up":null,"ready_since":1795400100.0},"latch":{"value":"unknown","since":null,"evidence_at":null,"contrary_days":[]}},"r2":{"gateway":null,"port":null,"pending_port":null,"last_port":null,"place":null,"device":null,"last_awake_at":null,"nic_speed_bps":null,"watched_since":null,"verdict":{"ready":"no","clauses":{"link":"unknown","way":"yes","device":"unknown","platforms":"no"},"causes":["platform_unreachable"],"next_step":null,"link":{"reach":{"at_least_bps":null,"at_most_bps":null,"estimate_bps":null,"half_duplex":false},"share":{"at_least_bps":null,"at_most_bps":null,"estimate_bps":null,"half_duplex":false}},"link_state":"unknown","grade":null,"device_up":null,"ready_since":1795400100.0},"latch":{"value":"unknown","since":null,"evidence_at":null,"contrary_days":[]}}},"unlisted":{},"alerts":{"platform:p|platform_unreachable":{"bad_streak":1,"good_streak":0,"opened_at":1795400100.0,"bad_since":1795400100.0,"announced":true}},"platform_faults":[]}');
INSERT INTO "school_state" VALUES('s3',3,'{"version":1,"gateways":{"gw-two":{"first_committed_at":1795400000.0,"last_committed_at":1795400020.0,"report_interval_s":2.0,"clock_skew_s":null,"spool_records":null,"agent_version":"","silent":false}},"uplinks":{"gw-two/uplink/down":{"gateway":"gw-two","target":"uplink","direction":"down","tests":[{"observed_at":1795399997.0,"mode":"drain","passed":true,"at_least_bps":95000000.0,"at_most_bps":null,"estimate_bps":null,"bytes":null,"seconds":null,"theta0_bps":null,"theta1_bps":null,"bucket_bytes":null,"loss_ratio":null,"windows":null},{"observed_at":1795400015.0,"mode":"drain","passed":false,"at_least_bps":null,"at_most_bps":100000000.0,"estimate_bps":80000000.0,"bytes":null,"seconds":null,"theta0_bps":null,"theta1_bps":null,"bucket_bytes":null,"loss_ratio":null,"windows":null},{"observed_at":1795400017.0,"mode":"drain","passed":false,"at_least_bps":null,"at_most_bps":100000000.0,"estimate_bps":80000000.0,"bytes":null,"seconds":null,"theta0_bps":null,"theta1_bps":null,"bucket_bytes":null,"loss_ratio":null,"windows":null}],"last_unmeasured_at":null,"last_unmeasured_reason":null,"beyond":null}},"paths":{},"switches":{"gw-two/sw1":{"gateway":"gw-two","switch":"sw1","observed_at":1795400018.0,"reachable":true}},"segments":{},"platforms":{},"classrooms":{"r1":{"gateway":"gw-two","port":{"observed_at":1795400018.0,"gateway":"gw-two","switch":"sw1","if_name":null,"admin_up":true,"oper_up":true,"speed_bps":1000000000,"full_duplex":true,"in_octets":null,"fcs_error_count":null,"alignment_error_count":null,"late_collision_count":null,"bad_frame_count":null,"in_lesson":true,"while_asleep":false},"pending_port":null,"last_port":{"observed_at":1795400018.0,"gateway":"gw-two","switch":"sw1","if_name":null,"admin_up":true,"oper_up":true,"speed_bps":1000000000,"full_duplex":true,"in_octets":null,"fcs_error_count":null,"alignment_error_count":null,"late_collision_count":null,"bad_frame_count":null,"in_lesson":true,"while_asleep":false},"place":null,"device":{"observed_at":1795400019.0,"gateway":"gw-two","state":"awake","seen_by":"snmp","nic_speed_bps":null,"facts":{}},"last_awake_at":1795400019.0,"nic_speed_bps":null,"watched_since":1795399999.0,"verdict":{"ready":"no","clauses":{"link":"no","way":"yes","device":"yes","platforms":"unknown"},"causes":["uplink_below_required"],"next_step":null,"link":{"reach":{"at_least_bps":null,"at_most_bps":100000000.0,"estimate_bps":80000000.0,"half_duplex":false},"port":{"at_least_bps":1000000000.0,"at_most_bps":1000000000.0,"estimate_bps":null,"half_duplex":false},"share":{"at_least_bps":null,"at_most_bps":100000000.0,"estimate_bps":80000000.0,"half_duplex":false}},"link_state":"short","grade":"partial","device_up":true,"ready_since":1795400020.0},"latch":{"value":"yes","since":1795400000.0,"evidence_at":1795400015.0,"contrary_days":["2026-11-23"]}}},"unlisted":{},"alerts":{"uplink:gw-two|uplink_below_required":{"bad_streak":1,"good_streak":0,"opened_at":1795400020.0,"bad_since":1795400020.0,"announced":true}},"platform_faults":[]}');
CREATE TABLE verdict_transition (
	id INTEGER NOT NULL, 
	at DOUBLE NOT NULL, 
	office VARCHAR(32) NOT NULL, 
	school VARCHAR(32) NOT NULL, 
	classroom VARCHAR(32) NOT NULL, 
	verdict VARCHAR(16) NOT NULL, 
	"before" VARCHAR(16) NOT NULL, 
	"after" VARCHAR(16) NOT NULL, 
	causes TEXT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "verdict_transition" VALUES(1,1795400000.0,'511402','s3','r1','compliant','unknown','yes','["not_measured"]');
INSERT INTO "verdict_transition" VALUES(2,1795400020.0,'511402','s3','r1','ready','unknown','no','["uplink_below_required"]');
INSERT INTO "verdict_transition" VALUES(3,1795400100.0,'511402','s1','r1','ready','unknown','no','["platform_unreachable"]');
INSERT INTO "verdict_transition" VALUES(4,1795400100.0,'511402','s1','r2','ready','unknown','no','["platform_unreachable"]');
INSERT INTO "verdict_transition" VALUES(5,1795400100.0,'511402','s2','r3','ready','unknown','no','["platform_unreachable"]');
INSERT INTO "verdict_transition" VALUES(6,1795400100.0,'511402','s2','r2','ready','unknown','no','["platform_unreachable"]');
CREATE INDEX verdict_transition_school_at ON verdict_transition (school, at);
CREATE INDEX bandwidth_result_gateway_observed_at ON bandwidth_result (gateway, observed_at);
CREATE INDEX outbox_state_receiver ON outbox (state, receiver);
COMMIT;
