// The certified provider, with a few people, on a loopback port.
//
// node provider.mjs PORT KEY-FILE      prints {"port": N} when it listens
// Lines on stdin change people: {"id": "alice", "claims": {...}}; {"id": "alice", "gone": true} lets one in no more.

import { createInterface } from 'node:readline';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { generateKeyPairSync } from 'node:crypto';
import Provider from 'oidc-provider';

const [port, keyFile] = process.argv.slice(2);

if (!existsSync(keyFile)) {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const key = { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256', kid: `key-${Date.now()}` };
  writeFileSync(keyFile, JSON.stringify({ keys: [key] }));
}

const people = new Map();
const claimsOf = (id) => people.get(id) ?? { email: `${id}@net.test`, email_verified: true, groups: [] };

createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, claims, gone } = JSON.parse(line);
  people.set(id, gone ? null : { ...claimsOf(id), ...claims });
  process.stdout.write('{"done": true}\n');
});

const server = createServer();
server.listen(Number(port), '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    jwks: JSON.parse(readFileSync(keyFile, 'utf8')),
    clients: [
      {
        client_id: 'wardgate',
        token_endpoint_auth_method: 'none',
        application_type: 'native',
        redirect_uris: ['http://127.0.0.1/callback'],
        grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
        response_types: ['code'],
      },
      {
        client_id: 'confidential',
        client_secret: 'a-secret-of-forty-characters-0123456789ab',
        redirect_uris: ['https://unused.example/callback'],
        grant_types: ['authorization_code', 'urn:ietf:params:oauth:grant-type:device_code'],
      },
    ],
    claims: { openid: ['sub', 'auth_time'], email: ['email', 'email_verified'], profile: ['groups', 'preferred_username'] },
    conformIdTokenClaims: false,
    features: { deviceFlow: { enabled: true }, devInteractions: { enabled: true } },
    findAccount: (ctx, id) => (people.get(id) === null ? undefined : { accountId: id, claims: () => ({ sub: id, ...claimsOf(id) }) }),
    issueRefreshToken: (ctx, client, code) => code.scopes.has('offline_access'),
    ttl: { DeviceCode: 600, AccessToken: 600, IdToken: 600, Grant: 3600, Interaction: 600, Session: 3600, RefreshToken: 3600 },
    pkce: { required: () => true },
  });
  server.on('request', provider.callback());
  process.stdout.write(`${JSON.stringify({ port: server.address().port })}\n`);
});
