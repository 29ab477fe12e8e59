/** Runs an action on every item, on at most `limit` of them at once. The first failure rejects and starts no more. */
export async function inParallel<Item>(
  items: readonly Item[],
  limit: number,
  action: (item: Item) => Promise<void>,
): Promise<void> {
  const rest = items.values();
  let isFailed = false;
  const lane = async (): Promise<void> => {
    for (const item of rest) {
      if (isFailed) return;
      try {
        await action(item);
      } catch (error) {
        isFailed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, lane));
}
