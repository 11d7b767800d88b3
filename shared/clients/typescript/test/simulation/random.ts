/** Pseudo-random numbers that a seed determines (sfc32). */
export class Random {
  #state: [number, number, number, number];

  constructor(seed: number) {
    this.#state = [0x9e3779b9, seed | 0, Math.floor(seed / 2 ** 32) | 0, 1];
    for (let round = 0; round < 16; round += 1) {
      this.#next();
    }
  }

  /** Returns a number from 0 to 1, without 1. */
  readonly fraction = (): number => this.#next() / 2 ** 32;

  /** Returns an integer from 0 to `end`, without `end`. */
  below(end: number): number {
    return Math.floor(this.fraction() * end);
  }

  /** Returns true with the given probability. */
  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  /** Returns an element of a list that is not empty. */
  pick<T>(list: readonly T[]): T {
    const picked = list[this.below(list.length)];
    if (picked === undefined) {
      throw new RangeError("there is nothing to pick");
    }
    return picked;
  }

  /** Returns one of the names, each with a probability in proportion to its weight. */
  weighted<T extends string>(weights: Readonly<Record<T, number>>): T {
    const names = Object.keys(weights) as T[];
    let rest = this.fraction() * names.reduce((sum, name) => sum + weights[name], 0);
    return names.find((name) => (rest -= weights[name]) < 0) ?? this.pick(names);
  }

  #next(): number {
    const [a, b, c, counter] = this.#state;
    const sum = (a + b + counter) | 0;
    this.#state = [b ^ (b >>> 9), (c + (c << 3)) | 0, (((c << 21) | (c >>> 11)) + sum) | 0, (counter + 1) | 0];
    return sum >>> 0;
  }
}
