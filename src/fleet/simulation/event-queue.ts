/** A binary heap of work by time; work at the same time runs in the order in which it was added. */
export class EventQueue {
  readonly #items: { at: number; order: number; work: () => void }[] = []
  #order = 0

  add(at: number, work: () => void): void {
    const items = this.#items
    items.push({ at, order: this.#order++, work })
    for (let child = items.length - 1; child > 0; ) {
      const parent = (child - 1) >> 1
      if (!this.#before(child, parent)) break
      this.#swap(child, parent)
      child = parent
    }
  }

  nextAt(): number {
    return this.#items[0]?.at ?? Number.POSITIVE_INFINITY
  }

  take(): () => void {
    const items = this.#items
    const first = items[0] as { work: () => void }
    const last = items.pop() as (typeof items)[number]
    if (items.length > 0) {
      items[0] = last
      for (let parent = 0; ; ) {
        let smallest = parent
        for (const child of [parent * 2 + 1, parent * 2 + 2])
          if (child < items.length && this.#before(child, smallest)) smallest = child
        if (smallest === parent) break
        this.#swap(smallest, parent)
        parent = smallest
      }
    }
    return first.work
  }

  #before(a: number, b: number): boolean {
    const [first, second] = [this.#items[a], this.#items[b]] as [
      { at: number; order: number },
      { at: number; order: number },
    ]
    return first.at < second.at || (first.at === second.at && first.order < second.order)
  }

  #swap(a: number, b: number): void {
    const items = this.#items
    ;[items[a], items[b]] = [items[b] as (typeof items)[number], items[a] as (typeof items)[number]]
  }
}
