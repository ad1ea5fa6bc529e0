// Logs in and refreshes as a front end would, and draws what it learns. Tokens are never shown.
"use strict";
(() => {
  const demo = document.currentScript.dataset;
  const at = (id) => document.getElementById(id);
  const seen = []; // { generation, at, how }
  let due = null; // { from, until } of the next refresh, by the monotonic clock
  let busy = false;

  // The attempt's name is kept until an answer is in, so that a retry asks the same question.
  const ATTEMPT = "relatch-live-attempt";
  const attempt = () => {
    let id = localStorage.getItem(ATTEMPT);
    if (!id) localStorage.setItem(ATTEMPT, (id = crypto.randomUUID()));
    return id;
  };

  const post = (path, body, headers) =>
    fetch(path, {
      method: "POST",
      headers: { ...(body && { "Content-Type": "application/json" }), ...headers },
      body: body && JSON.stringify(body),
    });

  const say = (text, link) => {
    at("state").textContent = text;
    if (link) {
      const a = document.createElement("a");
      [a.href, a.textContent] = link;
      at("state").append(" ", a);
    }
  };

  const claimsOf = (token) => {
    const bytes = Uint8Array.from(atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes));
  };

  const take = (answer, how) => {
    const last = seen.at(-1);
    // Within a session generations only grow: a smaller one is an older answer that came late.
    if (last && last.session === answer.session_id && last.generation > answer.generation) return;
    if (last && last.session !== answer.session_id) seen.length = 0;
    const grew = !seen.length || seen.at(-1).generation < answer.generation;
    const now = performance.now();
    seen.push({ session: answer.session_id, generation: answer.generation, at: now, how: grew ? how : "sibling" });
    seen.splice(0, seen.length - 5);
    due = { from: now, until: now + answer.refresh_in * 1000 };
    const rows = Object.entries(claimsOf(answer.access_token)).map(([name, value]) => {
      const row = document.createElement("tr");
      const head = document.createElement("th");
      head.scope = "row";
      head.textContent = name;
      const isTime = ["iat", "exp", "auth_time"].includes(name);
      row.append(head, Object.assign(document.createElement("td"), {
        textContent: isTime ? `${value} (${new Date(value * 1000).toLocaleTimeString()})` : JSON.stringify(value),
      }));
      return row;
    });
    at("claims").replaceChildren(...rows);
    say(grew
      ? `Logged in as ${answer.user.email}.`
      : "Served as another tab would be: within half a minute the head stays, and the token is a sibling.");
    show(true);
  };

  const show = (isIn) => {
    at("view").hidden = !isIn;
    at("log-in").disabled = isIn;
    at("refresh").disabled = at("log-out").disabled = !isIn;
    if (!isIn) {
      due = null;
      seen.length = 0;
    }
  };

  const refresh = async () => {
    if (busy) return;
    busy = true;
    try {
      const answer = await post("/auth/refresh", null, { "Idempotency-Key": attempt() });
      if (answer.ok || answer.status === 401) localStorage.removeItem(ATTEMPT);
      const body = await answer.json();
      if (answer.ok) return take(body, "refresh");
      if (answer.status === 401) {
        show(false);
        if (body.code === "missing_token") return say("Nobody is logged in.");
        const reason = encodeURIComponent(body.reason ?? body.code);
        return say("The session has ended.", [`/auth/pages/ended?reason=${reason}&return_to=%2Fdev%2Flive`, "Why?"]);
      }
      wait(body.retry_after ?? 5, body.title);
    } catch {
      wait(5, "The server can't be reached.");
    } finally {
      busy = false;
    }
  };

  // A doubt ends nobody's session: ask again later, with the same attempt.
  const wait = (seconds, why) => {
    const now = performance.now();
    due = { from: now, until: now + seconds * 1000 };
    say(`${why} Trying again in ${seconds} s.`);
  };

  const draw = () => {
    const now = performance.now();
    at("line").replaceChildren(...seen.map((token) => {
      const item = document.createElement("li");
      const number = document.createElement("strong");
      number.textContent = token.generation;
      item.append(number, " ", `${token.how}, ${Math.round((now - token.at) / 1000)} s ago`);
      return item;
    }));
    if (!due) return;
    const left = Math.max(0, due.until - now);
    at("left").textContent = `${Math.ceil(left / 1000)} s`;
    at("life").value = 1 - left / (due.until - due.from);
    if (left === 0) refresh();
  };

  at("log-in").addEventListener("click", async () => {
    const answer = await post("/auth/login", { email: demo.email, password: demo.password });
    const body = await answer.json();
    if (answer.ok) take(body, "login");
    else say(body.title);
    draw();
  });
  at("refresh").addEventListener("click", () => refresh().then(draw));
  at("log-out").addEventListener("click", async () => {
    const answer = await post("/auth/logout");
    if (!answer.ok) return say("The logout did not succeed. Try again.");
    show(false);
    say("Logged out.");
  });
  at("jump")?.addEventListener("click", async (event) => {
    await post("/dev/clock", { advance_seconds: Number(event.target.dataset.seconds) });
    say("Half a minute has passed: the head is settled, and the next refresh moves it.");
  });

  setInterval(draw, 1000);
  if (/(^|; )relatch-hint=/.test(document.cookie)) refresh().then(draw);
  else {
    show(false);
    say("Nobody is logged in.");
  }
})();
