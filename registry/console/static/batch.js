// A batch that is being worked on: its page is asked for again and its part put in place of the old one. What is
// said aloud is a line of its own, which changes by tenths. Without a script the page asks for itself.
const said = document.getElementById("said");

async function look(part) {
  const answer = await fetch(location.href, { headers: { Accept: "text/html", "X-Watching": "1" }, cache: "no-store" });
  if (answer.redirected) {
    location.reload();
    return null;
  }
  if (!answer.ok) return part;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const [line, next] = [page.getElementById("said"), page.getElementById("batch")];
  if (!line || !next) return part;
  const focused = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  const lost = part.contains(document.activeElement);
  const fresh = document.importNode(next, true);
  part.replaceWith(fresh);
  if (lost) {
    const again = [...fresh.querySelectorAll("a, button")].find((one) => one.getAttribute("href") === focused);
    (again ?? document.getElementById("main")).focus();
  }
  if (said.textContent !== line.textContent) said.textContent = line.textContent;
  return fresh;
}

function watch(part) {
  if (!part?.dataset.watch) return;
  setTimeout(() => look(part).catch(() => part).then(watch), Number(part.dataset.watch) * 1000);
}

watch(document.getElementById("batch"));
