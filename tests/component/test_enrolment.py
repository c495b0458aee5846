"""Enrolment over real HTTP, engine and stores: a code is good once, and for one school; tokens come and go."""

import asyncio
import re
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from collector import enrol_api, enrol_page
from collector.engine import CommitFailedError, EnrolmentRefusedError
from collector.engine.enrolment import Claim, canonical_code
from collector.engine.writing import Writer
from collector.ingest import http as door
from collector.roster.enrolled import with_enrolled
from collector.store.tables import audit, enrolment_code, gateway_token
from tests.support.collecting import NOW, POLICY, ROSTER, TOKENS, awake, body, pings, record
from tests.support.engines import counted, rows, running

TestServer.__test__ = False
pytestmark = pytest.mark.usefixtures("every_store")

UNLISTED = ROSTER.replace("  - {id: gw-two, token_sha256: TWO, schools: [s3]}\n", "")
"""s3 has no gateway."""
RESULTS = "classready_collector_enrolments_total"


class Bureau:
    """The collector's doors with an engine behind them, and what a box or the bureau says at them."""

    def __init__(self, engine, store, clock, server, session):
        self.engine, self.store, self.clock, self.server, self.session = engine, store, clock, server, session

    async def ask(self, method, path, **options):
        async with self.session.request(method, self.server.make_url(path), **options) as answer:
            return answer.status, await answer.json()

    async def code(self, *schools, **more):
        status, said = await self.ask("POST", enrol_api.PATH, json={"schools": schools, "by": "王主任", **more})
        assert status == 200, said
        return said["codes"][0]["code"]

    async def enroll(self, code, address=None, language="zh", **more):
        headers = {"Accept-Language": language, **({"X-Forwarded-For": address} if address else {})}
        return await self.ask("POST", enrol_api.ENROLL_PATH, json={"code": code, **more}, headers=headers)

    async def report(self, token, gateway="gw-s3", records=None):
        sent = body(pings([1]) if records is None else records, gateway=gateway)
        headers = {"Authorization": f"Bearer {token}"}
        return await self.ask("POST", door.PATH, data=sent, headers=headers)


@asynccontextmanager
async def bureau(folder, text=UNLISTED):
    async with running(folder, text=text) as (engine, store, clock):
        await engine.enrolment.load()
        listed, hours = engine.roster, {name: school.hours for name, school in engine.schools.items()}

        async def admit():
            roster = with_enrolled(listed, engine.enrolment.gateways())
            if roster.gateways.keys() != engine.roster.gateways.keys():
                await engine.replace_roster(roster, hours, POLICY)

        await admit()
        desk = enrol_api.Desk(engine=engine, admit=admit, clock=clock, behind_proxy=True)
        application = web.Application()
        application.add_routes([*enrol_api.routes(desk), *enrol_page.routes(desk), *door.routes(engine, clock)])
        async with TestServer(application) as server, ClientSession() as session:
            yield Bureau(engine, store, clock, server, session)


async def test_from_the_code_to_a_report(tmp_path):
    """The box learns who it is, its report is taken, one about another school is not; no secret is in the store."""
    async with bureau(tmp_path) as here:
        code = await here.code("s3")
        assert re.fullmatch(r"([0-9A-HJKMNP-TV-Z]{4}-){3}[0-9A-HJKMNP-TV-Z]{4}", code)
        status, said = await here.enroll(code, name="box\n1", arch="aarch64", version="1.0", school="s3")
        assert (status, said["gateway"], said["schools"]) == (200, "gw-s3", [{"school": "s3", "name": "示例小学"}])
        assert said["link"] == {"kind": "http", "url": f"http://127.0.0.1:{here.server.port}"}
        assert said["collector_url"] == said["link"]["url"]
        assert here.engine.schools["s3"].roster.gateways == ("gw-s3",)
        seen = [record(1), record(2, awake("s1/r1"))]
        status, ack = await here.report(said["token"], records=seen)
        assert (status, [entry["sequence"] for entry in ack["rejected"]]) == (200, [2])
        assert (await here.report(said["token"], gateway="gw-one"))[1] == {"reason": "identity"}
        assert (await here.report(TOKENS["gw-one"], gateway="gw-s3"))[1] == {"reason": "identity"}
        kept = [
            str(tuple(row)) for table in (enrolment_code, gateway_token, audit) for row in await rows(here.store, table)
        ]
        assert not [row for row in kept if said["token"] in row or code in row or code.replace("-", "") in row]
        told = [(row.actor, row.action, row.detail) for row in await rows(here.store, audit)]
        assert ("王主任", "code_made", "s3 gw-s3") in told
        assert ("gw-s3", "code_used", "s3 gw-s3 from 127.0.0.1, box box.1 aarch64 1.0") in told


async def test_each_refusal_is_one_sentence(tmp_path):
    """Used, expired, taken back, of another school, unknown, a wrong clock: each with its status, in both languages."""
    async with bureau(tmp_path) as here:
        used, expiring = await here.code("s3"), await here.code("s1")
        wrong = await here.enroll(expiring, school="s3")
        assert wrong == (403, {"reason": "wrong_school", "error": "这个登记码是发给另一所学校的:请使用本校的登记单。"})
        status, said = await here.enroll(used, clock=0.0)
        assert (status, said["reason"]) == (422, "clock")
        assert "校准时间" in said["error"]
        assert (await here.enroll(used))[0] == 200
        status, said = await here.enroll(used, language="en-GB,en;q=0.5")
        assert (status, said["error"]) == (
            409,
            "This code was used already: each is good once; ask the bureau for another one.",
        )
        here.clock.now += 3 * 86_400
        status, said = await here.enroll(expiring)
        assert (status, said["error"]) == (410, "这个登记码已过期:请教育局重新发一个。")
        status, said = await here.enroll("AAAA-BBBB-CCCC-DDDD")
        assert (status, said["reason"]) == (404, "unknown")
        lost = await here.code("s1")
        await here.code("s1")
        assert (await here.enroll(lost))[1]["reason"] == "revoked", "a newer slip"
        for odd in ("", "1", "ГГГГ-ГГГГ-ГГГГ-ГГГГ", "0" * 64):
            assert (await here.enroll(odd, address="10.0.0.9"))[0] in {404, 429}
        for odd in ({"code": 5}, {"code": "x" * 65}, ["x"], {"code": "x", "clock": "noon"}):
            assert (await here.ask("POST", enrol_api.ENROLL_PATH, json=odd))[1]["reason"] == "malformed"
        assert (await here.ask("POST", enrol_api.ENROLL_PATH, data=b"{" * 5_000))[1]["reason"] == "malformed"


@pytest.mark.parametrize("path", [enrol_api.ENROLL_PATH, enrol_api.PATH, enrol_api.REVOKE_PATH])
async def test_no_body_is_our_fault(tmp_path, path):
    """Whatever a stranger sends, it is told to him in a short sentence: nobody fills our log with tracebacks."""
    deep = b'{"by":"x","code":"x","subject":"x","clock":' + b"[" * 3_000
    packed = {name: {"Content-Encoding": name} for name in ("gzip", "deflate", "br")}
    odd = [
        (deep, {}), (deep.replace(b'"clock"', b'"nested"'), {}), (b'{"code":"\xff"}', {}), (b"[]", {}), (b"", {}),
        (b'{"code":"x","clock":1e300}', {}), (b'{"code":"x","clock":-1e300}', {}), (b"x" * 1_000_000, {}),
        *((b"{}abc", fields) for fields in packed.values()),
    ]  # fmt: skip
    async with bureau(tmp_path) as here:
        for sent, fields in odd:
            headers = {"Content-Type": "application/json", "Connection": "close", **fields}
            async with here.session.post(here.server.make_url(path), data=sent, headers=headers) as answer:
                said = await answer.text()
                assert 400 <= answer.status < 500, (sent[:60], fields, answer.status)
                assert len(said) < 400, said


async def test_of_fifty_at_once_one_wins(tmp_path):
    """Whoever is second is told that the code was used, and one token is made."""
    async with bureau(tmp_path) as here:
        code = await here.code("s3")
        told = await asyncio.gather(*(here.enroll(code) for _ in range(50)))
        assert sorted(status for status, _ in told) == [200, *[409] * 49]
        assert len(await rows(here.store, gateway_token)) == 1


async def test_the_store_itself_lets_one_win(tmp_path):
    """Without the lock in memory, too: the UPDATE decides, whoever else writes there."""
    async with bureau(tmp_path) as here:
        code = await here.code("s3")
        other = type(here.engine.enrolment)(Writer(here.store))
        await other.load()
        claim = Claim(code, None, None, "10.0.0.1", "")
        await other.redeem(claim, here.engine.roster, NOW)
        with pytest.raises(EnrolmentRefusedError, match="used"):
            await here.engine.enrolment.redeem(claim, here.engine.roster, NOW)
        assert len(await rows(here.store, gateway_token)) == 1


async def test_codes_and_tokens_outlive_a_kill(tmp_path):
    """After a restart a code is still good, a used one still used, a token still a gateway's."""
    async with bureau(tmp_path) as here:
        first, second = await here.code("s3"), await here.code("s2")
        token = (await here.enroll(first))[1]["token"]
    async with bureau(tmp_path) as here:
        assert (await here.report(token))[0] == 200
        assert (await here.enroll(first))[0] == 409
        assert (await here.enroll(second))[1]["gateway"] == "gw-one", "its roster names it"


async def test_rotation_keeps_the_old_token_until_the_new_one_came(tmp_path):
    """Both are good until then; then the old one is refused, with the reason."""
    async with bureau(tmp_path) as here:
        old = (await here.enroll(await here.code("s3")))[1]["token"]
        assert (await here.report(old, records=[record(1)]))[0] == 200
        _, said = await here.ask("POST", enrol_api.PATH, json={"gateways": ["gw-s3"], "by": "w"})
        new = (await here.enroll(said["codes"][0]["code"]))[1]["token"]
        assert (await here.report(old, records=[record(2)]))[0] == 200
        assert (await here.report(new, records=[record(3)]))[0] == 200
        status, said = await here.report(old, records=[record(4)])
        assert (status, said["reason"]) == (403, "revoked")
        assert "another token" in said["detail"]
    async with bureau(tmp_path) as here:
        assert (await here.report(new, records=[record(5)]))[0] == 200
        assert (await here.report(old, records=[record(6)]))[0] == 403


@pytest.mark.parametrize("subject", ["s3", "gw-s3"])
async def test_what_was_revoked_is_refused_at_once(tmp_path, subject):
    """By school or by gateway: its token and its open code; it may enrol anew."""
    async with bureau(tmp_path) as here:
        token = (await here.enroll(await here.code("s3")))[1]["token"]
        assert (await here.report(token))[0] == 200
        code = await here.code("s3")
        status, said = await here.ask("POST", enrol_api.REVOKE_PATH, json={"subject": subject, "by": "w"})
        assert (status, said) == (200, {"gateways": ["gw-s3"], "codes": 1, "tokens": 1, "by_hand": []})
        status, said = await here.report(token)
        assert (status, said["reason"]) == (403, "revoked")
        assert "took this token back" in said["detail"]
        assert "gw-s3" not in here.engine.roster.gateways
        assert (await here.enroll(code))[0] == 410
        again = (await here.enroll(await here.code("s3")))[1]["token"]
        assert (await here.report(again))[0] == 200
        listed = (await here.ask("GET", enrol_api.PATH))[1]["codes"]
        assert [entry["state"] for entry in listed] == ["used", "revoked", "used"]
        page = (await here.ask("GET", f"{enrol_api.PATH}?offset=1&limit=1"))[1]
        assert (page["total"], page["next_offset"], page["codes"]) == (3, 2, listed[1:2])
        assert (listed[0]["made_by"], listed[0]["used_from"]) == ("王主任", "127.0.0.1")


async def test_a_listed_gateway_keeps_the_token_of_its_file(tmp_path):
    """The file wins: it names the schools, and its token stays good beside the enrolled one, and after it."""
    async with bureau(tmp_path, ROSTER) as here:
        _, said = await here.ask("POST", enrol_api.PATH, json={"schools": ["s2"], "by": "w"})
        assert (said["codes"][0]["gateway"], said["codes"][0]["by_hand"]) == ("gw-one", True)
        _, given = await here.enroll(said["codes"][0]["code"])
        assert [school["school"] for school in given["schools"]] == ["s1", "s2"]
        assert (await here.report(given["token"], "gw-one", [record(1)]))[0] == 200
        assert (await here.report(TOKENS["gw-one"], "gw-one", [record(2)]))[0] == 200
        _, said = await here.ask("POST", enrol_api.REVOKE_PATH, json={"subject": "gw-one", "by": "w"})
        assert (said["tokens"], said["by_hand"]) == (1, ["gw-one"])
        assert (await here.report(given["token"], "gw-one", [record(3)]))[0] == 403
        assert (await here.report(TOKENS["gw-one"], "gw-one", [record(3)]))[0] == 200


async def test_a_name_that_a_file_gave_to_another_school_is_nobodys_key(tmp_path):
    """A token of s3's gw-s3 must not speak for s1 once a file says that gw-s3 is there."""
    async with bureau(tmp_path) as here:
        token = (await here.enroll(await here.code("s3")))[1]["token"]
        code = await here.code("s3")
    moved = UNLISTED.replace("schools: [s1, s2]}", "schools: [s2]}\n  - {id: gw-s3, token_sha256: TWO, schools: [s1]}")
    async with bureau(tmp_path, moved) as here:
        assert (await here.report(token))[1] == {"reason": "unknown_agent"}
        assert (await here.report(TOKENS["gw-two"]))[0] == 200
        assert (await here.enroll(code))[1]["reason"] == "not_listed"


async def test_a_lost_answer_may_be_asked_for_again(tmp_path):
    """With its own secret a box may come again until its token is in use; anybody else, and later, may not."""
    async with bureau(tmp_path) as here:
        code, mine = await here.code("s3"), "a" * 32
        lost = (await here.enroll(code, attempt=mine))[1]["token"]
        assert (await here.enroll(code, attempt="b" * 32))[0] == 409
        assert (await here.enroll(code))[0] == 409
        token = (await here.enroll(code, attempt=mine))[1]["token"]
        assert (await here.report(lost))[0] == 403
        assert (await here.report(token))[0] == 200
        assert (await here.enroll(code, attempt=mine))[0] == 409


async def test_guesses_are_few_and_counted(tmp_path):
    """Five a minute of an address, also at once; others, and whoever has a code, are not held up."""
    async with bureau(tmp_path) as here:
        before = counted(RESULTS, result="unknown")
        told = await asyncio.gather(*(here.enroll(f"{n:04}-0000-0000-0000", "10.0.0.7") for n in range(40)))
        statuses = [status for status, _ in told]
        assert (statuses.count(404), statuses.count(429)) == (5, 35)
        assert counted(RESULTS, result="unknown") - before == 5
        late = next(said for status, said in told if status == 429)
        assert re.fullmatch(r"尝试次数太多:请等 \d+ 秒再试,并仔细核对登记码。", late["error"])
        code = await here.code("s3")
        assert (await here.enroll(code, "10.0.0.7"))[0] == 429
        spread = [f"10.1.{n // 200}.{n % 200}" for n in range(160)]
        told = await asyncio.gather(*(here.enroll("0000-0000-0000-0000", address) for address in spread))
        assert 100 < [status for status, _ in told].count(404) <= 120, "of all addresses together"
        assert (await here.enroll(code, "10.0.0.8"))[0] == 200, "a thousand guessers keep nobody out"


async def test_a_store_that_is_away_spends_no_code(tmp_path, monkeypatch):
    """The box is told to come again, and then gets its token."""
    async with bureau(tmp_path) as here:
        code = await here.code("s3")
        with monkeypatch.context() as patched:

            @asynccontextmanager
            async def away(_writer):
                raise CommitFailedError
                yield

            patched.setattr(Writer, "begin", away)
            status, said = await here.enroll(code)
            assert (status, said["reason"]) == (503, "store_away")
        assert (await here.enroll(code))[0] == 200


async def test_an_office_gets_a_code_for_each_gateway_without_a_token(tmp_path):
    """Who has one, by hand or enrolled, keeps it; a name that the roster does not have is refused by name."""
    async with bureau(tmp_path) as here:
        wanted = {"office": "511402", "by": "w"}
        _, said = await here.ask("POST", enrol_api.PATH, json=wanted)
        assert [(code["school"], code["gateway"]) for code in said["codes"]] == [("s3", "gw-s3")]
        await here.enroll(said["codes"][0]["code"])
        assert (await here.ask("POST", enrol_api.PATH, json=wanted))[0] == 409
        for odd in ({"schools": ["s9"]}, {"gateways": ["gw-nine"]}, {"office": "szs"}):
            status, said = await here.ask("POST", enrol_api.PATH, json={**odd, "by": "w"})
            assert status == 404
            assert "in the roster" in said["error"]
        assert (await here.ask("POST", enrol_api.REVOKE_PATH, json={"subject": "s9", "by": "w"}))[0] == 404


def test_a_code_is_understood_as_it_is_typed():
    """Lower case, without hyphens, with spaces, and with the letters that look like digits."""
    for typed in ("0123-45AB-CDEF-1001", "0123 45ab cdef 1001", "o12345abcdefiOol\n"):
        assert canonical_code(typed) == "012345ABCDEF1001"
    for odd in ("", "0123-45AB-CDEF-100", "0123-45AB-CDEF-100U", "0123-45AB-CDEF-10011", "０" * 16):
        assert canonical_code(odd) is None
