import { describe, expect, it } from 'vitest';
import { checkedRedirect, checkedUrl, type OutboundPolicy } from '../../src/net/outbound-url.ts';

const STRICT: OutboundPolicy = { allowHttp: false, allowedOrigins: new Set() };
const WITH_HTTP: OutboundPolicy = { allowHttp: true, allowedOrigins: new Set() };
const TRUSTING: OutboundPolicy = { allowHttp: false, allowedOrigins: new Set(['http://10.0.0.5:9000']) };

/** Hosts that are private addresses in some notation. */
const PRIVATE_HOSTS = [
  '127.0.0.1',
  '127.1',
  '2130706433',
  '0x7f000001',
  '0x7f.1',
  '017700000001',
  '0177.0.0.1',
  '0',
  '0.0.0.0',
  '①②⑦.⓪.⓪.①',
  '127。0。0。1',
  '127.0.0.1.',
  '%31%32%37.0.0.1',
  '[::1]',
  '[::]',
  '[::ffff:127.0.0.1]',
  '[::ffff:7f00:1]',
  '[::127.0.0.1]',
  '[64:ff9b::7f00:1]',
  '[2002:7f00:1::]',
  '[fc00::1]',
  '[fe80::1]',
  '[fd00:ec2::254]',
  '169.254.169.254',
  '100.100.100.200',
  '168.63.129.16',
  '10.1.2.3',
  '192.168.1.1',
  '255.255.255.255',
];
const OTHER_SCHEMES = [
  'file:///etc/passwd',
  'ftp://files.example/a.png',
  'gopher://files.example/',
  'data:text/html,x',
  'javascript:alert(1)',
  'unix:/run/docker.sock',
  'ws://files.example/',
  'blob:https://files.example/x',
];
const BROKEN = [
  '',
  'https://',
  'files.example/a.png',
  '//files.example/a.png',
  'https://[::1',
  'https://a:b',
];
const CONFUSING = [
  'https://files.example/\r\nx: y',
  'https://files.example/\0',
  'https://fi\tles.example/',
  'https://files.example\\@10.0.0.1/',
  ' https://files.example/',
  'https://files.example/a b.png',
];

describe('a URL', () => {
  it.each(PRIVATE_HOSTS)('with the host %s is refused', (host) => {
    expect(() => checkedUrl(`https://${host}/a.png`, STRICT)).toThrow('not public');
    expect(() => checkedUrl(`http://${host}/a.png`, WITH_HTTP)).toThrow('not public');
  });

  it.each(OTHER_SCHEMES)('of another scheme is refused: %s', (url) => {
    expect(() => checkedUrl(url, WITH_HTTP)).toThrow(/^has the scheme \w+; http or https is taken$/);
  });

  it.each(BROKEN)('that is none is refused: %j', (text) => {
    expect(() => checkedUrl(text, STRICT)).toThrow('is not a URL');
  });

  it.each(CONFUSING)('that parsers read in several ways is refused: %j', (text) => {
    expect(() => checkedUrl(text, STRICT)).toThrow('white space');
  });

  it.each(['user:pw@', 'user@', ':pw@', 'files.example%2f@', 'files.example:443@'])(
    'with credentials is refused: %s',
    (credentials) => {
      expect(() => checkedUrl(`https://${credentials}10.0.0.1/`, STRICT)).toThrow(
        'a user name or a password',
      );
    },
  );

  it.each([22, 25, 80, 6379, 8443])('with port %i is refused', (port) => {
    expect(() => checkedUrl(`https://files.example:${port}/`, STRICT)).toThrow(`has port ${port}`);
  });

  it('with a port beyond all ports, or longer than 2,048 characters, is refused', () => {
    expect(() => checkedUrl('https://files.example:99999/', STRICT)).toThrow('is not a URL');
    expect(() => checkedUrl(`https://files.example/${'x'.repeat(2_048)}`, STRICT)).toThrow('2048 characters');
  });

  it('is taken over https, and over http when the operator says so', () => {
    expect(checkedUrl('https://files.example:443/a.png?b=c', STRICT).href).toBe(
      'https://files.example/a.png?b=c',
    );
    expect(checkedUrl('https://[2606:4700::1111]/', STRICT).hostname).toBe('[2606:4700::1111]');
    expect(() => checkedUrl('http://files.example/', STRICT)).toThrow('has the scheme http; https is taken');
    expect(checkedUrl('http://files.example:80/', WITH_HTTP).port).toBe('');
  });

  it('of an origin that the operator allows is taken, and its neighbours are not', () => {
    expect(checkedUrl('http://10.0.0.5:9000/a.png', TRUSTING).port).toBe('9000');
    for (const url of [
      'https://10.0.0.5:9000/',
      'http://10.0.0.5:9001/',
      'http://10.0.0.5/',
      'http://10.0.0.6:9000/',
    ]) {
      expect(() => checkedUrl(url, TRUSTING), url).toThrow(/has the scheme|has port|not public/);
    }
    expect(() => checkedUrl('http://me@10.0.0.5:9000/', TRUSTING)).toThrow('a user name');
  });
});

describe('a redirect', () => {
  const from = new URL('https://files.example/a/b.png');

  it.each([
    ...PRIVATE_HOSTS.map((host) => `https://${host}/`),
    'https://user@files.example/',
    'https://files.example:22/',
  ])('to %s is refused', (location) => {
    expect(() => checkedRedirect(location, from, STRICT)).toThrow(/not public|user name|has port/);
  });

  it.each(['//10.0.0.1/', '\\\\10.0.0.1/', 'https://x\n.example', 'https://[', 'file:///etc/passwd'])(
    'to %j is refused, relative as it may be',
    (location) => {
      expect(() => checkedRedirect(location, from, STRICT)).toThrow(/not public|not a URL|has the scheme/);
    },
  );

  it('never leaves https, unless for an origin that the operator allows', () => {
    expect(() => checkedRedirect('http://files.example/', from, WITH_HTTP)).toThrow('from https to http');
    expect(checkedRedirect('http://10.0.0.5:9000/', from, TRUSTING).port).toBe('9000');
  });

  it('may be relative to where it came from', () => {
    expect(checkedRedirect('../c.png', from, STRICT).href).toBe('https://files.example/c.png');
  });
});
