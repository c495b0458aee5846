/* Keeps the page up to date without loading it anew: what a reader has opened, marked, focused or typed stays.
   When no good page comes, the last one stays, under a banner that says how old it is. */
"use strict";
{
  const ANSWER_MS = 15_000;
  const RETRY_FIRST_S = 5;
  const RETRY_MAX_S = 120;

  let failures = 0;
  let timer = 0;
  let asking = false;

  const everySeconds = () => Number(document.documentElement.dataset.refreshS);

  /* Doubled from try to try, and scattered: a hundred walls must not all ask in the second in which the collector is back. */
  function waitSeconds() {
    if (!failures) return everySeconds();
    const first = Math.min(RETRY_FIRST_S, everySeconds());
    return Math.min(first * 2 ** (failures - 1), RETRY_MAX_S) * (0.8 + 0.4 * Math.random());
  }

  function later() {
    clearTimeout(timer);
    if (!document.hidden) timer = setTimeout(refresh, waitSeconds() * 1000);
  }

  async function refresh() {
    if (asking) return;
    asking = true;
    clearTimeout(timer);
    try {
      show(await ask());
      failures = 0;
    } catch {
      failures += 1;
      sayStale();
    }
    asking = false;
    later();
  }

  /* The sentence came with the page that it is about; the next good page takes it away again. */
  function sayStale() {
    const banner = document.getElementById("stale");
    banner.textContent = banner.dataset.text;
    banner.hidden = false;
  }

  /* A page of the board (be it that this school is no longer listed) or an error: a proxy's login or error page is neither followed nor shown. The header keeps the
     browser from asking for a password in the middle of a wall. */
  async function ask() {
    /* Put together, because an address with a password in it (a kiosk's) may not be fetched. */
    const answer = await fetch(location.origin + location.pathname + location.search, {
      cache: "no-store",
      redirect: "error",
      headers: { "X-Classready-Refresh": "1" },
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    if (!answer.ok && answer.status !== 404) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (!page.documentElement.dataset.version || !page.getElementById("content")) throw new Error("not the board");
    return page;
  }

  function show(page) {
    const known = document.documentElement.dataset.version;
    if (page.documentElement.dataset.version !== known) return location.reload();
    const focused = document.activeElement;
    const marked = getSelection();
    const { anchorNode, anchorOffset, focusNode, focusOffset, rangeCount } = marked;
    document.title = page.title;
    patch(document.body, page.body);
    /* A row that moved lost the focus and the mark on its way. */
    if (focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
    if (rangeCount && anchorNode.isConnected && focusNode.isConnected) {
      marked.setBaseAndExtent(anchorNode, within(anchorNode, anchorOffset), focusNode, within(focusNode, focusOffset));
    }
  }

  const within = (node, offset) => Math.min(offset, node.nodeValue?.length ?? node.childNodes.length);

  const isAlike = (have, want) => have.nodeName === want.nodeName && (have.id ?? "") === (want.id ?? "");

  /* Make `have` say what `want` says, changing no node that need not be: its state is the reader's. */
  function patch(have, want) {
    if (want.nodeType !== Node.ELEMENT_NODE) {
      if (have.nodeValue !== want.nodeValue) have.nodeValue = want.nodeValue;
      return;
    }
    for (const { name } of [...have.attributes]) {
      if (!want.hasAttribute(name) && name !== "open") have.removeAttribute(name);
    }
    for (const { name, value } of want.attributes) {
      if (have.getAttribute(name) !== value && name !== "open") have.setAttribute(name, value);
    }
    patchChildren(have, want);
  }

  /* Rows and rooms are found by their id wherever they stand now, everything else by its place. */
  function patchChildren(have, want) {
    const named = new Map([...have.children].filter((child) => child.id).map((child) => [child.id, child]));
    let here = have.firstChild;
    for (const wanted of [...want.childNodes]) {
      const found = wanted.id ? named.get(wanted.id) : here;
      if (!found || !isAlike(found, wanted)) {
        have.insertBefore(document.importNode(wanted, true), here);
      } else {
        if (found === here) here = here.nextSibling;
        else have.insertBefore(found, here);
        patch(found, wanted);
      }
    }
    while (here) {
      const next = here.nextSibling;
      here.remove();
      here = next;
    }
  }

  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : refresh()));
  addEventListener("online", refresh);
  later();
}
