// openai's endpoints beside the ones that talk: embeddings, moderations, speech, transcriptions, files and batches. Each line of
// items is what one of them gave.
import OpenAI, { toFile } from 'openai';
import { apiKey, baseURL, countingFetch, run } from './seen.mjs';

const client = new OpenAI({ apiKey, baseURL, fetch: countingFetch, maxRetries: 0 });

async function everything() {
  const items = [];
  const embeddings = await client.embeddings.create({ model: 'embed', input: 'x', encoding_format: 'float' });
  items.push(`embedding ${embeddings.data[0].embedding.join(' ')} for ${embeddings.usage.prompt_tokens} tokens by ${embeddings.model}`);

  const speech = await client.audio.speech.create({ model: 'embed', voice: 'alloy', input: 'x' });
  items.push(`speech ${Buffer.from(await speech.arrayBuffer()).toString('hex')}`);

  // The file comes before the model here.
  const heard = await client.audio.transcriptions.create({ file: await toFile(Buffer.alloc(1 << 20), 'a b.wav'), model: 'embed' });
  items.push(`heard ${heard.text}`);

  const file = await client.files.create({ file: await toFile(Buffer.from('{"body":{"model":"vendors"}}\n'), 'a.jsonl'), purpose: 'batch' });
  const listed = [];
  for await (const f of client.files.list()) {
    listed.push(f.id);
  }
  items.push(`file ${file.id} ${file.purpose}, listed ${listed.join(' ')}`);
  const batch = await client.batches.create({ input_file_id: file.id, endpoint: '/v1/embeddings', completion_window: '24h' });
  const again = await client.batches.retrieve(batch.id);
  items.push(`batch ${again.status}: ${await (await client.files.content(again.output_file_id)).text()}`);
  items.push(`deleted ${(await client.files.delete(file.id)).deleted}`);

  for (const [what, ask] of [
    ['model', () => client.embeddings.create({ model: 'none', input: 'x' })],
    ['file', () => client.files.retrieve(file.id)],
    ['batch', () => client.batches.retrieve('batch_foreign')],
  ]) {
    const error = await ask().then(() => 'none', (e) => `${e.constructor.name} ${e.code}`);
    items.push(`no ${what}: ${error}`);
  }
  return { text: 'done', items };
}

await run('openai endpoints', everything);
