/** The only door to onnxruntime-node: sessions over memory-mapped weights. */
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { messageOf, ModelError } from './errors.ts';

export type Device = { readonly kind: 'cpu' } | { readonly kind: 'cuda'; readonly deviceId: number };

/**
 * - `lean`: weights stay in the page cache, shared by all processes; loads at once, next to no private memory.
 * - `fast`: weights are reordered and packed at load: some 12 % faster steps on a CPU, and rows that do not depend on
 *   their company, at the price of a private copy and of seconds of loading per GB.
 *
 * The two differ in the last bits of a result, so a deployment keeps to one.
 */
export type Profile = 'lean' | 'fast';

export interface SessionOptions {
  readonly device: Device;
  readonly profile: Profile;
  /** CPU threads per session; ONNX Runtime's choice (one per core) when absent. */
  readonly threads?: number;
}

export interface SessionModel {
  /** For errors. */
  readonly name: string;
  /** Encoded ModelProto. */
  readonly bytes: Uint8Array;
  /** Real path of the folder with the weight files. */
  readonly weightsFolder: string;
}

export type TensorData = Float32Array | Int32Array | BigInt64Array;

export interface Feed {
  readonly data: TensorData;
  readonly dims: readonly number[];
}

/** One network with float outputs. */
export interface Session {
  /**
   * Blocks the thread until the result is there; the promise only carries it. Inputs are not copied.
   * @param output the network's first unless named
   */
  run(feeds: Readonly<Record<string, Feed>>, output?: string): Promise<Float32Array>;
  release(): Promise<void>;
}

/** ORT_LOGGING_LEVEL_FATAL: errors are thrown as well, and warnings are about clean-ups that are meant to happen. */
const LOG_NOTHING_TWICE = 4;

/** @throws ModelError when the device is missing or the model or its weights are refused */
export async function createSession(model: SessionModel, options: SessionOptions): Promise<Session> {
  const { device } = options;
  let session: InferenceSession;
  try {
    session = await InferenceSession.create(model.bytes, sessionOptions(model, options));
  } catch (cause) {
    // A missing CUDA library ends here too: rendering on the CPU instead would be a hundred times slower.
    throw new ModelError(`${model.name} could not be loaded on ${deviceText(device)}: ${messageOf(cause)}`, {
      cause,
    });
  }
  const first = session.outputNames[0]!;
  return {
    async run(feeds, output = first) {
      const tensors = Object.entries(feeds).map(
        ([name, { data, dims }]) => [name, toTensor(data, dims)] as const,
      );
      const results = await session.run(Object.fromEntries(tensors), [output]);
      const data = results[output]?.data;
      if (!(data instanceof Float32Array))
        throw new ModelError(`${model.name}: output ${output} is not float32`);
      return data;
    },
    release: () => session.release(),
  };
}

function sessionOptions(model: SessionModel, options: SessionOptions): InferenceSession.SessionOptions {
  const { device, profile, threads } = options;
  return {
    executionProviders: [device.kind === 'cuda' ? { name: 'cuda', deviceId: device.deviceId } : 'cpu'],
    graphOptimizationLevel: profile === 'fast' ? 'all' : 'extended',
    logSeverityLevel: LOG_NOTHING_TWICE,
    // An arena grows by powers of two and keeps what it has: twice the peak memory, held until the session is released,
    // to save 5 % of a step (docs/decisions/0012).
    enableCpuMemArena: false,
    ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
    extra: {
      'session.model_external_initializers_file_folder_path': model.weightsFolder,
      'session.disable_prepacking': profile === 'fast' ? '0' : '1',
      // Spinning threads burn the cores that image encoding needs between two steps.
      'session.intra_op.allow_spinning': '0',
    },
  };
}

function toTensor(data: TensorData, dims: readonly number[]): Tensor {
  if (data instanceof Float32Array) return new Tensor('float32', data, dims);
  if (data instanceof Int32Array) return new Tensor('int32', data, dims);
  return new Tensor('int64', data, dims);
}

function deviceText(device: Device): string {
  return device.kind === 'cuda'
    ? `CUDA device ${device.deviceId} ("npm run setup:cuda" installs what CUDA needs)`
    : 'the CPU';
}
