import { Counter, Histogram, type Registry } from 'prom-client';
import type { ObjectStore } from '../storage/object-store.ts';

/** From what a local disk takes for a picture to what ends a wait for a bucket. */
const SECONDS = [0.005, 0.02, 0.1, 0.5, 2, 10, 60];

/** The same store, which counts what is asked of it, how long that took and what went wrong. */
export function meteredStore<Store extends ObjectStore>(store: Store, registry: Registry): Store {
  const seconds = new Histogram({
    name: 'kiln_store_operation_seconds',
    help: 'Duration of operations of the object store',
    labelNames: ['operation'],
    buckets: SECONDS,
    registers: [registry],
  });
  const errors = new Counter({
    name: 'kiln_store_errors_total',
    help: 'Operations of the object store that failed',
    labelNames: ['operation'],
    registers: [registry],
  });
  return new Proxy(store, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== 'function') return member;
      return (...args: unknown[]): unknown => {
        const operation = String(name);
        const stop = seconds.startTimer({ operation });
        // On the target itself: private fields know no proxy.
        const outcome: unknown = Reflect.apply(member, target, args);
        if (!(outcome instanceof Promise)) return outcome;
        outcome.then(
          // Not `stop` itself: it would take what was listed for labels.
          () => stop(),
          () => {
            stop();
            errors.inc({ operation });
          },
        );
        return outcome;
      };
    },
  });
}
