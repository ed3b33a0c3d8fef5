// The page that scans: camera or photo, read by zxing-wasm on this device. No picture and no code is sent anywhere; what
// is read is opened only where it is a link of this registry's own. Expects #unscripted, which says what to do
// without script; #scanner[hidden] with #start, #stop, #torch,
// video#view, input#photo, #said[role=status]; #ready[hidden] with .state, #left, #trouble, #forget; script#words.

import { able, prepared } from "./app.js";
import { Malformed, splitLink, splitShowing } from "./credential.js";
import { forget, held, readiness } from "./lists.js";
import { ageInWords, byId, momentInWords } from "./show.js";

const MAX_PIXELS = 4_000_000; // of a picture that the reader is given, which bounds its memory
const MAX_SIDE = 1280; // of a camera's picture
const MAX_FILE = 30 * 1024 * 1024;
const PACE = 120; // milliseconds between two pictures
const TIPS_AFTER = 10_000;
const OPTIONS = { formats: ["QRCode"], tryHarder: true, tryInvert: false, maxNumberOfSymbols: 8 };

const words = JSON.parse(byId("words").textContent);
const { origins } = words;
const now = () => Math.floor(Date.now() / 1000);
const say = (text) => {
  if (byId("said").textContent !== text) byId("said").textContent = text;
};

// The reader, loaded when it is first wanted.
let loading = null;
function reader() {
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = new URL("zxing-reader.js", import.meta.url).href;
    script.addEventListener("load", () => {
      const overrides = { locateFile: (name) => new URL(name, import.meta.url).href };
      globalThis.ZXingWASM.prepareZXingModule({ overrides, fireImmediately: true }).then(() => resolve(globalThis.ZXingWASM), reject);
    });
    script.addEventListener("error", () => reject(new TypeError("not loaded")));
    document.head.append(script);
  }).catch((error) => {
    loading = null; // the network may come back
    throw error;
  });
  return loading;
}

// The red channel alone: red ink over a code is as white as the paper in it.
function red({ data, width, height }) {
  const only = new ImageData(width, height);
  for (let at = 0; at < data.length; at += 4) {
    only.data[at] = only.data[at + 1] = only.data[at + 2] = data[at];
    only.data[at + 3] = 255;
  }
  return only;
}

const canvas = document.createElement("canvas");
const pen = canvas.getContext("2d", { willReadFrequently: true });

function picture(source, width, height, most) {
  const scale = Math.min(1, most(width, height));
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  pen.drawImage(source, 0, 0, canvas.width, canvas.height);
  return pen.getImageData(0, 0, canvas.width, canvas.height);
}

async function textsIn(image) {
  const found = await (await reader()).readBarcodes(image, OPTIONS);
  return found.filter(({ isValid }) => isValid).map(({ text }) => text);
}

// A licence's link, or a presentation code, with the address that it opens here; null for another text.
function read(text) {
  for (const [split, open] of [
    [splitLink, ({ idText, fragment }) => `/c/${idText}${location.search}#${fragment}`],
    [splitShowing, ({ idText }) => `/p/${idText}${location.search}`],
  ]) {
    try {
      const link = split(text);
      return { ...link, address: open(link) };
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
    }
  }
  return null;
}

// What a text is: {link} to open, or {why} not: "foreign" with its host, or "other".
async function judge(text) {
  const link = read(text);
  if (link === null) return { why: "other" };
  const kept = able ? await held(now()).catch(() => null) : null; // a device may keep nothing for sites
  const listed = kept?.trust?.origins ?? [];
  if ([location.origin, ...origins, ...listed].includes(link.origin)) return { link };
  return { why: "foreign", host: link.origin.slice(link.origin.indexOf("://") + 3) };
}

// Opens the first text that is a link of ours; else says what was read instead. Whether it opens one.
async function opens(texts) {
  const judged = await Promise.all(texts.map(judge));
  const good = judged.find(({ link }) => link);
  if (good) {
    stop();
    say(words.found);
    location.assign(good.link.address);
    return true;
  }
  const foreign = judged.find(({ why }) => why === "foreign");
  say(foreign ? words.foreign.replace("{host}", foreign.host) : words.other);
  return false;
}

let stream = null;
let timer = null;
let newest = 0; // of all starts and stops: whoever is not the newest gives the camera back

function stop() {
  newest += 1;
  clearTimeout(timer);
  if (stream) giveBack(stream);
  stream = null;
  byId("view").srcObject = null;
  const focused = [byId("stop"), byId("torch")].includes(document.activeElement);
  byId("view").hidden = byId("stop").hidden = byId("torch").hidden = true;
  byId("torch").setAttribute("aria-pressed", "false");
  byId("start").hidden = false;
  if (focused) byId("start").focus();
}

function giveBack(camera) {
  for (const track of camera.getTracks()) track.stop();
}

async function look(mine, begun, count, told) {
  if (stream !== mine) return;
  const view = byId("view");
  try {
    if (view.videoWidth) {
      const image = picture(view, view.videoWidth, view.videoHeight, (w, h) => MAX_SIDE / Math.max(w, h));
      const texts = await textsIn(count % 2 ? red(image) : image);
      if (stream !== mine) return;
      if (texts.length && (await opens(texts))) return;
    }
  } catch {
    stop();
    say(words.failed);
    return;
  }
  const late = performance.now() - begun > TIPS_AFTER;
  if (late && !told) say(words.tips);
  timer = setTimeout(() => look(mine, begun, count + 1, told || late), PACE);
}

async function start() {
  newest += 1;
  const run = newest;
  say(words.starting);
  byId("start").hidden = true;
  byId("stop").hidden = false;
  byId("stop").focus();
  const size = { width: { ideal: 1280 }, height: { ideal: 720 } };
  let mine;
  try {
    await reader(); // first: a camera that nobody reads from is not switched on
    mine = await navigator.mediaDevices.getUserMedia({ video: { facingMode: { ideal: "environment" }, ...size } });
  } catch (error) {
    if (run !== newest) return;
    stop();
    const denied = ["NotAllowedError", "SecurityError"].includes(error.name);
    const missing = ["NotFoundError", "OverconstrainedError", "NotReadableError"].includes(error.name);
    say(denied ? words.denied : missing ? words.no_camera : words.failed);
    return;
  }
  if (run !== newest) {
    giveBack(mine); // stopped while it was still being asked for
    return;
  }
  stream = mine;
  const view = byId("view");
  view.srcObject = mine;
  view.hidden = false;
  try {
    await view.play();
  } catch {
    if (run !== newest) return;
    stop();
    say(words.failed);
    return;
  }
  const [track] = mine.getVideoTracks();
  byId("torch").hidden = !track.getCapabilities?.().torch;
  say(words.looking);
  await look(mine, performance.now(), 0, false);
}

async function torch() {
  const [track] = stream?.getVideoTracks() ?? [];
  const lit = byId("torch").getAttribute("aria-pressed") === "true";
  await track?.applyConstraints({ advanced: [{ torch: !lit }] });
  byId("torch").setAttribute("aria-pressed", String(!lit));
}

async function readPhoto(file) {
  if (file.size > MAX_FILE) {
    say(words.unreadable);
    return;
  }
  say(words.reading);
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    say(words.unreadable);
    return;
  }
  const { width, height } = bitmap;
  const image = picture(bitmap, width, height, (w, h) => Math.sqrt(MAX_PIXELS / (w * h)));
  bitmap.close();
  let texts;
  try {
    texts = await textsIn(image);
    if (!texts.length) texts = await textsIn(red(image));
  } catch {
    say(words.failed);
    return;
  }
  if (texts.length) await opens(texts);
  else say(words.nothing);
}

async function showReadiness() {
  const at = now();
  const found = await readiness(at);
  const shown = byId("ready");
  shown.dataset.ready = found.ready;
  const told = { yes: words.ready, old: words.ready_old, no: words.ready_no }[found.ready];
  const of = found.oldest;
  shown.querySelector(".state").textContent = told.replace("{moment}", momentInWords(of, found.trust?.zone)).replace("{age}", ageInWords(at - of));
  byId("left").hidden = !found.left;
  byId("left").textContent = words.left.replace("{left}", found.left).replace("{all}", found.lists.length + found.left);
  const trouble = found.state?.trouble;
  byId("trouble").hidden = byId("forget").hidden = !trouble;
  if (trouble) byId("trouble").textContent = trouble === "wrong_root" ? words.root : words.trouble;
}

byId("unscripted").hidden = true;
byId("scanner").hidden = byId("ready").hidden = false;
byId("start").addEventListener("click", start);
byId("stop").addEventListener("click", () => {
  stop();
  say("");
});
byId("torch").addEventListener("click", torch);
byId("photo").addEventListener("change", ({ target }) => {
  const [file] = target.files;
  if (file) readPhoto(file).finally(() => {
    target.value = ""; // the same photo may be chosen again
  });
});
addEventListener("pagehide", stop);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) stop();
});
byId("forget").addEventListener("click", async () => {
  await forget();
  location.reload();
});
const unable = () => {
  byId("ready").querySelector(".state").textContent = words.unable;
};
if (able) {
  await showReadiness().catch(unable); // a device may keep nothing for sites
  await prepared;
  await showReadiness().catch(unable);
} else unable();
