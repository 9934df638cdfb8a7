"use strict";
/* ---------------------------------------------------------------- the network */
const network = JSON.parse(document.getElementById("network").textContent);
const bytes = Uint8Array.from(atob(network.numbers), (letter) => letter.charCodeAt(0));
const numbers = Float64Array.from(new Float32Array(bytes.buffer));

/* A tensor is { c, h, w, v }: channels, rows, columns, and c * h * w values. */
function tensor(c, h, w, value = 0) {
  return { c, h, w, v: new Float64Array(c * h * w).fill(value) };
}

/* Calls act(to, from, length) for every row of an output channel that a kernel's cell at (y, x) reaches into. */
function rows(step, from, to, y, x, act) {
  const [down, right] = step.stride, [top, left] = step.pad;
  const first = Math.max(0, Math.ceil((left - x) / right));
  const end = Math.min(to.w, Math.floor((from.w - 1 + left - x) / right) + 1);
  for (let row = 0; row < to.h && first < end; row++) {
    const source = row * down - top + y;
    if (source >= 0 && source < from.h) {
      act(row * to.w + first, source * from.w + first * right - left + x, end - first);
    }
  }
}

function windowed(step, from, channels, value) {
  const [top, left, bottom, right] = step.pad;
  const [down, across] = step.dilation ?? [1, 1];
  const h = Math.floor((from.h + top + bottom - (step.kernel[0] - 1) * down - 1) / step.stride[0]) + 1;
  const w = Math.floor((from.w + left + right - (step.kernel[1] - 1) * across - 1) / step.stride[1]) + 1;
  return tensor(channels, h, w, value);
}

function cells(step, act) {
  const [down, across] = step.dilation ?? [1, 1];
  for (let y = 0; y < step.kernel[0]; y++) {
    for (let x = 0; x < step.kernel[1]; x++) act(y * down, x * across);
  }
}

function each(from, act) {
  return { ...from, v: from.v.map((value) => act(value)) };
}

const carryOut = {
  convolution(step, from) {
    const to = windowed(step, from, step.outputs, 0), inputs = from.c / step.groups, right = step.stride[1];
    const source = from.v, target = to.v, area = to.h * to.w, size = step.kernel[0] * step.kernel[1];
    for (let output = 0; output < step.outputs; output++) {
      const group = Math.floor(output / (step.outputs / step.groups)) * inputs;
      target.fill(numbers[step.bias + output], output * area, (output + 1) * area);
      for (let input = 0; input < inputs; input++) {
        let place = step.weight + (output * inputs + input) * size;
        const base = (group + input) * from.h * from.w;
        cells(step, (y, x) => {
          const weight = numbers[place++];
          rows(step, from, to, y, x, (at, start, length) => {
            let i = output * area + at, j = base + start;
            for (const end = i + length; i < end; i++, j += right) target[i] += weight * source[j];
          });
        });
      }
    }
    return to;
  },
  relu: (step, from) => each(from, (value) => Math.max(0, value)),
  clip: (step, from) => each(from, (value) => Math.min(Math.max(step.bounds[0], value), step.bounds[1])),
  /* curves */
  max: (step, from) => pooled(step, from, -Infinity, Math.max),
  average(step, from) {
    const to = pooled(step, from, 0, (a, b) => a + b), size = step.kernel[0] * step.kernel[1];
    return { ...to, v: to.v.map((value) => value / size) };
  },
  add(step, from, made) {
    const other = made[step.other].v;
    return { ...from, v: from.v.map((value, at) => value + other[at]) };
  },
};

function pooled(step, from, value, join) {
  const to = windowed(step, from, from.c, value), area = to.h * to.w;
  for (let channel = 0; channel < from.c; channel++) {
    cells(step, (y, x) => rows(step, from, to, y, x, (at, start, length) => {
      for (let i = 0; i < length; i++) {
        const target = channel * area + at + i;
        to.v[target] = join(to.v[target], from.v[channel * from.h * from.w + start + i * step.stride[1]]);
      }
    }));
  }
  return to;
}

/* One channel without the slant of its ink: rows shift by covariance over variance, and are interpolated. */
function deskewed(from) {
  const { h, w, v } = from, lowest = v.reduce((a, b) => Math.min(a, b)), mass = new Float64Array(h), moment = new Float64Array(h);
  v.forEach((value, at) => {
    const y = Math.floor(at / w), ink = value - lowest;
    mass[y] += ink;
    moment[y] += ink * ((at % w) - (w - 1) / 2);
  });
  const sum = (act) => mass.reduce((all, ink, y) => all + act(ink, y), 0), all = sum((ink) => ink);
  const centre = sum((ink, y) => ink * y) / Math.max(all, 1e-12);
  const covariance = sum((_, y) => moment[y] * (y - centre)), variance = sum((ink, y) => ink * (y - centre) ** 2);
  const slant = Math.min(Math.max(-1, covariance / Math.max(variance, all / 16, 1e-12)), 1);
  const to = tensor(1, h, w), pixel = (y, x) => (x >= 0 && x < w ? v[y * w + x] : lowest);
  to.v.forEach((_, at) => {
    const y = Math.floor(at / w), place = (at % w) + slant * (y - centre), left = Math.floor(place);
    to.v[at] = pixel(y, left) + (place - left) * (pixel(y, left + 1) - pixel(y, left));
  });
  return to;
}

/* What the first weight gets of one channel: deskewed where it is to be, then `crop` pixels are cut off each side. */
function prepared(whole, { deskew = false, crop = 0 }) {
  const from = deskew ? deskewed(whole) : whole;
  const to = tensor(1, from.h - 2 * crop, from.w - 2 * crop);
  to.v.forEach((_, at) => { to.v[at] = from.v[(Math.floor(at / to.w) + crop) * from.w + (at % to.w) + crop]; });
  return to;
}

/* What the network holds of each class: 784 bytes, 0 background to 255 ink -> probabilities. */
function probabilities(picture) {
  const whole = tensor(1, 28, 28);
  whole.v = Float64Array.from(picture, (value) => (value / 255 - network.mean) / network.std);
  const made = [prepared(whole, network.preprocessing ?? {})];
  for (const step of network.steps) made.push(carryOut[step.kind](step, made[step.source ?? made.length - 1], made));
  const scores = made[made.length - 1].v, most = Math.max(...scores);
  const powers = Array.from(scores, (score) => Math.exp(score - most));
  const all = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / all);
}

/* ---------------------------------------------------------------- ink to 28 x 28, in whole numbers */
function shared(at, length, otherAt, otherLength) {
  return Math.max(0, Math.min((at + 1) * length, (otherAt + 1) * otherLength) - Math.max(at * length, otherAt * otherLength));
}

/* Of values summed across: the first row or column that brings the centre of mass to 14. */
function begin(profile) {
  const mass = profile.reduce((a, b) => a + b), moment = profile.reduce((sum, value, at) => sum + value * at, 0);
  return Math.min(Math.max(Math.floor((29 * mass - 2 * moment) / (2 * mass)), 0), 28 - profile.length);
}

/* ink: h x w bytes, 0 paper to 255 ink -> 784 bytes; null where there is no ink. */
function normalise(ink, h, w) {
  const peak = ink.reduce((a, b) => Math.max(a, b), 0), picture = new Uint8Array(784);
  if (!peak) return null;
  let top = h, bottom = -1, left = w, right = -1;
  ink.forEach((value, at) => {
    if (8 * value < peak) return;
    const y = Math.floor(at / w), x = at % w;
    [top, bottom, left, right] = [Math.min(top, y), y, Math.min(left, x), Math.max(right, x)];
  });
  const s = bottom - top + 1, t = right - left + 1, longer = Math.max(s, t);
  const side = (length) => Math.max(1, Math.floor((40 * length + longer) / (2 * longer)));
  const m = side(s), n = side(t), sums = new Float64Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let y = Math.floor((s * i) / m); y * m < s * (i + 1); y++) {
      for (let j = 0; j < n; j++) {
        for (let x = Math.floor((t * j) / n); x * n < t * (j + 1); x++) {
          sums[i * n + j] += shared(y, m, i, s) * shared(x, n, j, t) * ink[(top + y) * w + left + x];
        }
      }
    }
  }
  const most = sums.reduce((a, b) => Math.max(a, b));
  const small = sums.map((sum) => Math.floor((510 * sum + most) / (2 * most)));
  const down = new Array(m).fill(0), across = new Array(n).fill(0);
  small.forEach((value, at) => { down[Math.floor(at / n)] += value; across[at % n] += value; });
  const row = begin(down), column = begin(across);
  small.forEach((value, at) => { picture[(row + Math.floor(at / n)) * 28 + column + (at % n)] = value; });
  return picture;
}

/* ---------------------------------------------------------------- strokes to ink */
const SIDE = 100, PEN = 12; // of the raster the strokes are scaled to; MNIST's pen is about an eighth of a digit

/* Strokes (lists of [x, y], 0 to 1) to SIDE x SIDE bytes, as large as fits: a small digit is read as a large one is. */
function inkOf(strokes) {
  const xs = strokes.flat().map((point) => point[0]), ys = strokes.flat().map((point) => point[1]);
  const left = Math.min(...xs), top = Math.min(...ys), extent = Math.max(Math.max(...xs) - left, Math.max(...ys) - top);
  if (!(extent > 0.03)) return null; // a dot
  const scale = (SIDE - PEN - 2) / extent, ink = new Uint8Array(SIDE * SIDE), start = PEN / 2 + 1;
  for (const stroke of strokes) {
    const points = stroke.map(([x, y]) => [(x - left) * scale + start, (y - top) * scale + start]);
    points.forEach((point, at) => segment(ink, points[Math.max(0, at - 1)], point));
  }
  return ink;
}

function segment(ink, [ax, ay], [bx, by]) {
  const reach = PEN / 2 + 1, dx = bx - ax, dy = by - ay, length = dx * dx + dy * dy || 1;
  const end = (value) => Math.min(SIDE - 1, Math.ceil(value + reach)), from = (value) => Math.max(0, Math.floor(value - reach));
  for (let y = from(Math.min(ay, by)); y <= end(Math.max(ay, by)); y++) {
    for (let x = from(Math.min(ax, bx)); x <= end(Math.max(ax, bx)); x++) {
      const along = Math.min(1, Math.max(0, ((x + 0.5 - ax) * dx + (y + 0.5 - ay) * dy) / length));
      const far = Math.hypot(x + 0.5 - ax - along * dx, y + 0.5 - ay - along * dy);
      const value = Math.round(255 * Math.min(1, Math.max(0, PEN / 2 + 0.5 - far)));
      if (value > ink[y * SIDE + x]) ink[y * SIDE + x] = value;
    }
  }
}

/* ---------------------------------------------------------------- the page */
const find = (id) => document.getElementById(id);
const paper = find("paper"), seen = find("seen"), answer = find("answer"), spoken = find("spoken");
const undo = find("undo"), clear = find("clear"), bars = [...find("bars").children];
const state = { strokes: [], pointer: null, pen: [0.5, 0.5], down: false, asked: false, milliseconds: 0, answer: null };

function draw() {
  const pen = paper.getContext("2d"), side = paper.width, colours = getComputedStyle(document.documentElement);
  pen.clearRect(0, 0, side, side);
  pen.lineCap = pen.lineJoin = "round";
  pen.lineWidth = side / 14;
  pen.strokeStyle = pen.fillStyle = colours.getPropertyValue("--ink");
  for (const stroke of state.strokes) {
    pen.beginPath();
    stroke.forEach(([x, y], at) => (at ? pen.lineTo(x * side, y * side) : pen.moveTo(x * side, y * side)));
    pen.lineTo(stroke[0][0] * side, stroke[0][1] * side + (stroke.length > 1 ? NaN : 0.01));
    pen.stroke();
  }
  if (document.activeElement === paper && paper.matches(":focus-visible")) {
    pen.strokeStyle = colours.getPropertyValue("--bar");
    pen.lineWidth = side / 100;
    pen.beginPath();
    pen.arc(state.pen[0] * side, state.pen[1] * side, side / (state.down ? 28 : 18), 0, 7);
    pen.stroke();
  }
}

/* Never a certainty: no network has one. */
function percent(share) {
  return share > 0.9995 ? "> 99.9 %" : `${(100 * share).toFixed(1)} %`;
}

function show(picture, shares) {
  const pen = seen.getContext("2d"), image = pen.createImageData(28, 28);
  for (let at = 0; at < 784; at++) {
    const value = picture ? picture[at] : 0;
    image.data.set([value, value, value, 255], 4 * at);
  }
  pen.putImageData(image, 0, 0);
  const best = shares ? shares.indexOf(Math.max(...shares)) : -1;
  bars.forEach((bar, at) => {
    const share = shares ? shares[at] : 0;
    bar.classList.toggle("best", at === best);
    bar.querySelector(".bar").style.transform = `scaleX(${share})`;
    bar.querySelector(".share").textContent = shares ? percent(share) : "";
  });
  state.answer = shares ? network.classes[best] : null;
  seen.setAttribute("aria-label", shares ? `The drawing as 28 by 28 pixels, read as ${state.answer}` : "Nothing yet");
  if (!shares) {
    answer.textContent = state.strokes.length ? "That is a dot; draw larger." : "Nothing is drawn yet.";
    return;
  }
  const digit = document.createElement("b");
  digit.textContent = state.answer;
  answer.replaceChildren(digit, ` ${percent(shares[best])}`);
}

function update() {
  state.asked = false;
  const begun = performance.now(), ink = state.strokes.length ? inkOf(state.strokes) : null;
  const picture = ink && normalise(ink, SIDE, SIDE), shares = picture && probabilities(picture);
  state.milliseconds = performance.now() - begun;
  state.picture = picture;
  undo.disabled = clear.disabled = !state.strokes.length;
  show(picture, shares);
  draw();
}

/* At most once a frame, however many points a stroke brings. */
function ask() {
  if (!state.asked) requestAnimationFrame(update);
  state.asked = true;
}

/* For those who listen: once a stroke is done, not while it grows. */
function say() {
  requestAnimationFrame(() => requestAnimationFrame(() => { spoken.textContent = state.answer ? `It reads ${state.answer}` : answer.textContent; }));
}

function point(event) {
  const box = paper.getBoundingClientRect(), clip = (value) => Math.min(1, Math.max(0, value));
  return [clip((event.clientX - box.left) / box.width), clip((event.clientY - box.top) / box.height)];
}

paper.addEventListener("pointerdown", (event) => {
  if (state.pointer !== null || event.button !== 0) return;
  state.pointer = event.pointerId;
  state.down = false;
  paper.setPointerCapture(event.pointerId);
  state.strokes.push([point(event)]);
  ask();
});
paper.addEventListener("pointermove", (event) => {
  if (event.pointerId !== state.pointer) return;
  const events = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
  state.strokes[state.strokes.length - 1].push(...(events.length ? events : [event]).map(point));
  ask();
});
for (const kind of ["pointerup", "pointercancel"]) {
  paper.addEventListener(kind, (event) => {
    if (event.pointerId !== state.pointer) return;
    state.pointer = null;
    ask();
    say();
  });
}

function takeBack(all) {
  if (state.pointer !== null) return;
  state.strokes = all ? [] : state.strokes.slice(0, -1);
  state.down = false;
  if (!state.strokes.length && [undo, clear].includes(document.activeElement)) paper.focus();
  ask();
  say();
}
undo.addEventListener("click", () => takeBack(false));
clear.addEventListener("click", () => takeBack(true));

document.addEventListener("keydown", (event) => {
  const undoing = event.key === "Backspace" || (event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey));
  if (!undoing && event.key !== "Escape") return;
  event.preventDefault();
  takeBack(event.key === "Escape");
});

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
paper.addEventListener("keydown", (event) => {
  const arrow = ARROWS[event.key];
  if (event.key === " ") {
    state.down = !state.down && state.pointer === null;
    if (state.down) state.strokes.push([state.pen]);
    else say();
  } else if (arrow) {
    const far = event.shiftKey ? 0.1 : 0.025;
    state.pen = state.pen.map((value, axis) => Math.min(1, Math.max(0, value + far * arrow[axis])));
    if (state.down) state.strokes[state.strokes.length - 1].push(state.pen);
  } else return;
  event.preventDefault();
  ask();
});
for (const kind of ["focus", "blur"]) paper.addEventListener(kind, ask);

new ResizeObserver(() => {
  paper.width = paper.height = Math.max(1, Math.round(paper.clientWidth * devicePixelRatio));
  ask();
}).observe(paper);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", ask);
