// A trace's columns, and what follows from them: depths, where subtrees end, which rows are visible.

export const FAILED = 1, CRITICAL = 2, MISSING = 4;

export class Tree {
  constructor(trace) {
    Object.assign(this, trace.spans);
    this.trace = trace;
    this.size = this.id.length;
    this.depth = new Int32Array(this.size);
    this.end = new Int32Array(this.size);  // of the subtree: the first row behind it
    for (let at = 0; at < this.size; at++) {
      this.depth[at] = this.parent[at] < 0 ? 0 : this.depth[this.parent[at]] + 1;
      this.end[at] = at + 1;
    }
    for (let at = this.size - 1; at >= 0; at--) {
      const above = this.parent[at];
      if (above >= 0 && this.end[at] > this.end[above]) this.end[above] = this.end[at];
    }
    this.folded = new Set();
    this.unfold();
  }

  // What the server found out after the first look: ids become rows. It may know of spans that came since.
  learn(analysis) {
    const row = new Map(this.id.map((id, at) => [id, at])), isHere = (one) => one.at !== undefined;
    for (const id of analysis.critical) if (row.has(id)) this.flags[row.get(id)] |= CRITICAL;
    this.steps = analysis.steps.map(([id, from, to, waiting]) => {
      return { at: row.get(id), from, to, waiting, took: to - from };
    }).filter(isHere);
    this.origins = analysis.failures.map((one) => ({ at: row.get(one.span), message: one.message })).filter(isHere);
    this.findings = analysis.findings.map((one) => ({ ...one, at: row.get(one.spans[0]) })).filter(isHere);
  }

  operation(at) { return this.trace.operations[this.op[at]]; }
  has(at, flag) { return (this.flags[at] & flag) !== 0; }
  isParent(at) { return this.end[at] > at + 1; }

  // The rows that no folded span hides.
  unfold() {
    const visible = new Int32Array(this.size);
    let length = 0;
    for (let at = 0; at < this.size;) {
      visible[length++] = at;
      at = this.folded.has(at) ? this.end[at] : at + 1;
    }
    this.visible = visible.subarray(0, length);
  }

  fold(at, wanted) {
    if (!this.isParent(at) || this.folded.has(at) === wanted) return false;
    if (wanted) this.folded.add(at); else this.folded.delete(at);
    this.unfold();
    return true;
  }

  // Where a span stands among the visible rows; what hides it is unfolded.
  reveal(at) {
    let changed = false;
    for (let above = this.parent[at]; above >= 0; above = this.parent[above]) changed = this.folded.delete(above) || changed;
    if (changed) this.unfold();
    return this.rowOf(at);
  }

  rowOf(at) {
    let low = 0, high = this.visible.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.visible[middle] <= at) low = middle; else high = middle - 1;
    }
    return low;
  }

  // The next span after this one that fits, from the start again behind the end.
  next(at, fits) {
    for (let step = 1; step <= this.size; step++) {
      const other = (at + step) % this.size;
      if (fits(other)) return other;
    }
    return at;
  }
}
