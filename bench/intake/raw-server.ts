/**
 * The floor of what taking a job can cost: Fastify that parses a JSON body, BullMQ that adds it, nothing else. No
 * record, no idempotency, no validation, no limits.
 */
import { Queue } from 'bullmq';
import Fastify from 'fastify';
import { Redis } from 'ioredis';

const queue = new Queue('raw', { connection: new Redis(process.env['REDIS_URL'] ?? '') });
const app = Fastify();

app.post('/v1/jobs', async (request, reply) => {
  const { id } = await queue.add('raw', request.body, { priority: 100 });
  return reply.code(202).send({ id });
});

process.once('SIGTERM', () => void stop());
process.send?.({ kind: 'listening', url: await app.listen({ host: '127.0.0.1', port: 0 }) });

async function stop(): Promise<void> {
  await app.close();
  await queue.close();
  process.exit(0);
}
