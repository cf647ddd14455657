// The live channel: WebSocket, else long polling, else polling. Whichever it is, no message is missed: each
// request says what was seen last, and a gap tells the page to load anew.

const PATIENCE = 4000;

export function listen(onMessages, onState) {
  let epoch = "", last = 0, failures = 0;
  const position = () => `epoch=${epoch}&after=${last}`;
  const forced = new URLSearchParams(location.search).get("live");

  function take(batch) {
    const isFirst = !epoch;
    epoch = batch.epoch;
    last = batch.last;
    if (batch.gap) onMessages([{ gap: true }]);
    else if (batch.messages.length && !isFirst) onMessages(batch.messages);
  }

  function socket() {
    if (forced && forced !== "websocket") return poll();
    const link = new WebSocket(`${location.origin.replace("http", "ws")}/live/ws?${position()}`);
    let opened = false;
    link.onmessage = (event) => {
      if (!opened) onState("live", "WebSocket");
      opened = true;
      failures = 0;
      take(JSON.parse(event.data));
    };
    link.onclose = () => {
      if (opened) onState("lost", "connecting again");
      failures += 1;
      // A proxy that lets no WebSocket through fails at once, every time: then polling is what works.
      if (!opened && failures >= 2) poll();
      else setTimeout(socket, Math.min(PATIENCE, 250 * 2 ** failures));
    };
    return undefined;
  }

  async function poll() {
    const long = forced !== "poll" && failures < 6;
    try {
      const response = await fetch(`/live/poll?${position()}&wait=${long && epoch ? 20 : 0}`);
      if (!response.ok) throw new Error(String(response.status));
      take(await response.json());
      onState("live", long ? "long polling" : "polling");
      setTimeout(poll, long ? 0 : 1000);
    } catch {
      failures += 1;
      onState("lost", "connecting again");
      setTimeout(poll, Math.min(PATIENCE, 250 * 2 ** Math.min(failures, 5)));
    }
  }

  socket();
}
