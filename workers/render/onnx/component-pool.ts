/**
 * The components in memory, each once, however many models use it: of a family of fine-tunes only the UNets differ.
 * A component is taken before it costs anything; its sessions are opened when they are first needed, so the VAE's
 * encoder and the depth estimator wait for the first job that starts from an image.
 *
 * What is shared must be the same to the last byte, or one fine-tune would be computed with another's weights.
 */
import { dirname } from 'node:path';
import { ClipTokenizer } from '../diffusion/tokenizer.ts';
import { digestOf, haveSameBytes } from './fingerprint.ts';
import type { Graph } from './graph.ts';
import { textOf, tokenizerPaths } from './model-folder.ts';
import type { Component } from './model-folder.ts';
import type { Plan } from './networks.ts';
import { createSession } from './session.ts';
import type { Profile, Session, SessionOptions } from './session.ts';
import { bindWeights } from './weights.ts';

/**
 * Mapping weights in place pays off when there are many. Below this a private copy is nothing, and the profile
 * `fast` takes a third off a small network's steps.
 */
const ALWAYS_FAST_BYTES = 64 * 1024 * 1024;

export interface Held<GraphName extends string> {
  /** Equal for components that are equal to the last byte, and for no others: what they make may be kept under it. */
  readonly key: string;
  readonly profile: Profile;
  /** Opened at the first call. @throws ModelError */
  session(graph: GraphName): Promise<Session>;
  /** Ends this use of it; with the last use its memory is freed. */
  release(): Promise<void>;
}

/** For one caller at a time. */
export class ComponentPool {
  readonly #options: SessionOptions;
  readonly #entries = new Set<Entry>();
  readonly #tokenizers = new Map<string, { readonly tokenizer: ClipTokenizer; users: number }>();

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  /** Of all components that are in use, with all of their sessions opened. */
  get bytes(): number {
    return sum([...this.#entries].map(({ component }) => component.memoryBytes));
  }

  /**
   * What loading the rest takes at its height. Weights that are mapped from their file are never allocated; where they
   * are reordered, a session holds both orders of them until it is ready (twice the weights were measured).
   */
  get bytesToCome(): number {
    const coming = [...this.#entries].filter((entry) => !entry.isOpen);
    const passing = coming.filter((entry) => this.#reorders(entry)).map((entry) => this.#copiedBytes(entry));
    return sum(coming.map((entry) => this.#copiedBytes(entry))) + Math.max(0, ...passing);
  }

  /** Sessions open at the moment. */
  get sessions(): number {
    return sum([...this.#entries].map((entry) => entry.sessions));
  }

  async take<C, N extends string>(component: Component, plan: Plan<C, N>): Promise<Held<N>> {
    const entry = (await this.#twinOf(component)) ?? this.#add(component, plan);
    entry.users++;
    let isHeld = true;
    return {
      key: entry.key,
      profile: entry.profile,
      session: (graph) => entry.session(graph),
      release: async () => {
        if (!isHeld) return;
        isHeld = false;
        entry.users--;
        if (entry.users > 0) return;
        this.#entries.delete(entry);
        await entry.close();
      },
    };
  }

  /** A tokenizer's tables take some 15 MB, and a family has one. @throws when a file is missing or malformed */
  async takeTokenizer(folder: string): Promise<{ tokenizer: ClipTokenizer; release: () => void }> {
    const key = digestOf(await Promise.all(tokenizerPaths(folder).map(textOf)));
    const held = this.#tokenizers.get(key) ?? { tokenizer: await ClipTokenizer.fromFolder(folder), users: 0 };
    this.#tokenizers.set(key, held);
    held.users++;
    let isHeld = true;
    const release = (): void => {
      if (isHeld && --held.users === 0) this.#tokenizers.delete(key);
      isHeld = false;
    };
    return { tokenizer: held.tokenizer, release };
  }

  async #twinOf(component: Component): Promise<Entry | undefined> {
    for (const entry of this.#entries) {
      const { digest, isExact, weights } = entry.component;
      if (digest !== component.digest) continue;
      if (isExact || (await haveSameBytes(weights, component.weights))) return entry;
    }
    return undefined;
  }

  #add<C, N extends string>(component: Component, plan: Plan<C, N>): Entry {
    // By the component's own size, whichever model asks first: the profile changes the last bits of the result.
    const profile = component.weights.bytes <= ALWAYS_FAST_BYTES ? 'fast' : this.#options.profile;
    const graphs: Readonly<Record<string, Graph>> = plan.graphs;
    const entry = new Entry(component, { ...this.#options, profile }, (graph) => {
      const found = graphs[graph];
      if (found === undefined) throw new Error(`${component.name} has no graph ${graph}`);
      return bindWeights(found, component.weights, plan.match.found);
    });
    this.#entries.add(entry);
    return entry;
  }

  #copiedBytes(entry: Entry): number {
    const { component } = entry;
    const isMapped = this.#options.device.kind === 'cpu' && !this.#reorders(entry);
    return isMapped ? component.memoryBytes - mappedBytes(component) : component.memoryBytes;
  }

  #reorders({ profile }: Entry): boolean {
    return this.#options.device.kind === 'cpu' && profile === 'fast';
  }
}

/** One weight file with the sessions on it. */
class Entry {
  readonly component: Component;
  readonly key: string;
  users = 0;
  readonly #options: SessionOptions;
  readonly #encode: (graph: string) => Uint8Array;
  readonly #sessions = new Map<string, Promise<Session>>();

  constructor(component: Component, options: SessionOptions, encode: (graph: string) => Uint8Array) {
    this.component = component;
    this.key = component.isExact ? component.digest : `${component.digest}@${component.weights.identity}`;
    this.#options = options;
    this.#encode = encode;
  }

  get profile(): Profile {
    return this.#options.profile;
  }

  get isOpen(): boolean {
    return this.#sessions.size > 0;
  }

  get sessions(): number {
    return this.#sessions.size;
  }

  session(graph: string): Promise<Session> {
    const known = this.#sessions.get(graph);
    if (known !== undefined) return known;
    const opening = this.#open(graph);
    this.#sessions.set(graph, opening);
    // A failure, such as a lack of memory, may be over at the next try.
    opening.catch(() => this.#sessions.delete(graph));
    return opening;
  }

  async close(): Promise<void> {
    const sessions = await Promise.allSettled(this.#sessions.values());
    this.#sessions.clear();
    for (const session of sessions) if (session.status === 'fulfilled') await session.value.release();
  }

  #open(graph: string): Promise<Session> {
    const { path } = this.component.weights;
    const bytes = this.#encode(graph);
    return createSession({ name: path, bytes, weightsFolder: dirname(path) }, this.#options);
  }
}

function mappedBytes({ weights }: Component): number {
  return sum([...weights.tensors.values()].map(({ dtype, length }) => (dtype === 'F32' ? length : 0)));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
