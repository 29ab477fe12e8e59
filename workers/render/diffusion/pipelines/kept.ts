/**
 * Results that follow from pictures alone, kept for as long as the pictures are: the images of one job share their
 * input pictures, and with them what the VAE and the depth estimator made of these.
 */
interface Shelf<Result> {
  readonly results: Map<string, Promise<Result>>;
  /** Of what follows from another object as well. */
  readonly deeper: WeakMap<object, Shelf<Result>>;
}

export class Kept<Result> {
  readonly #shelves = new WeakMap<object, Shelf<Result>>();

  /**
   * What `make` gave for these objects and this key, or gives now. The result is shared: the caller must not write
   * to it. A failure is not kept.
   */
  get(objects: readonly [object, ...object[]], key: string, make: () => Promise<Result>): Promise<Result> {
    const { results } = this.#shelfOf(objects);
    const known = results.get(key);
    if (known !== undefined) return known;
    const made = make();
    results.set(key, made);
    made.catch(() => results.delete(key));
    return made;
  }

  #shelfOf([first, ...others]: readonly [object, ...object[]]): Shelf<Result> {
    let shelf = shelfIn(this.#shelves, first);
    for (const object of others) shelf = shelfIn(shelf.deeper, object);
    return shelf;
  }
}

function shelfIn<Result>(shelves: WeakMap<object, Shelf<Result>>, object: object): Shelf<Result> {
  const known = shelves.get(object);
  if (known !== undefined) return known;
  const shelf: Shelf<Result> = { results: new Map(), deeper: new WeakMap() };
  shelves.set(object, shelf);
  return shelf;
}
