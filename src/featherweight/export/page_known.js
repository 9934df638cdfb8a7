
/* ---------------------------------------------------------------- none of these */

/* Whether a drawing with these probabilities is of none of the classes: its greatest score is too little above their
   mean, or they are too far from what is typical of that class. Scores are logarithms of probabilities, but for a sum. */
function isUnknown(shares) {
  const { threshold, typical, step, farthest } = network.known;
  const scores = shares.map((share) => Math.log(Math.max(share, Number.MIN_VALUE)));
  const mean = scores.reduce((a, b) => a + b) / scores.length, best = scores.indexOf(Math.max(...scores));
  if (scores[best] - mean < threshold) return true;
  const apart = (score, at) => Math.abs(score - mean - step * typical[best][at]);
  return Boolean(typical) && scores.reduce((sum, score, at) => sum + apart(score, at), 0) > farthest;
}

/* As sure as held-out pictures bear out. */
function tempered(shares) {
  const powers = shares.map((share) => share ** (1 / network.known.temperature));
  const all = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / all);
}

const showClass = show;
show = function (picture, shares) {
  showClass(picture, shares && tempered(shares));
  if (!shares || !isUnknown(shares)) return;
  answer.textContent = `None of these (nearest: ${state.answer})`;
  seen.setAttribute("aria-label", "The drawing as 28 by 28 pixels, read as none of these");
  state.answer = "none of these";
};
