// Live refresh: takes the page anew every second and swaps in what the server, and only the server, has rendered.
"use strict";

const PARTS = ["messages", "channels", "count"];

async function refresh() {
  const answer = await fetch(location.href, { cache: "no-store" });
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const atEnd = innerHeight + scrollY >= document.body.scrollHeight - 40;
  let changed = false;
  for (const id of PARTS) {
    const old = document.getElementById(id);
    const now = fresh.getElementById(id);
    if (old.innerHTML !== now.innerHTML) {
      old.replaceChildren(...now.childNodes);
      changed = true;
    }
  }
  if (changed && atEnd) scrollTo(0, document.body.scrollHeight);
}

async function keepFresh() {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    if (document.hidden) continue;
    try {
      await refresh();
    } catch {
      document.getElementById("count").textContent = "the inbox does not answer; these are its last messages";
    }
  }
}

keepFresh();
