// node --require loopback.cjs: servers that name no host listen on 127.0.0.1 instead of on every interface.
'use strict';
const { Server } = require('node:net');

const listen = Server.prototype.listen;

Server.prototype.listen = function (first, ...rest) {
  if (first !== null && typeof first === 'object') {
    const named = first.host || first.path || first.fd !== undefined || first._handle;
    return listen.call(this, named ? first : { ...first, host: '127.0.0.1' }, ...rest);
  }
  const isPort = first === undefined || first === null || /^\d+$/.test(String(first));
  if (isPort && typeof rest[0] !== 'string') {
    return listen.call(this, { port: Number(first ?? 0), host: '127.0.0.1', backlog: typeof rest[0] === 'number' ? rest[0] : undefined }, rest.find((f) => typeof f === 'function'));
  }
  return listen.call(this, first, ...rest);
};
