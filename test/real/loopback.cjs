// node --require loopback.cjs: a program that stays on this machine. A server that names no address listens on 127.0.0.1
// instead of on every interface, and who dials another machine gets an error.
'use strict';
const { Server, Socket } = require('node:net');

// The port must be bound when listen returns, as some programs read it at once; a host given to listen would be looked up
// first. So the address is put in below listen, at the place where Node binds.
const bind = Server.prototype._listen2;

Server.prototype._listen2 = function listenOnLoopback(address, port, family, ...rest) {
  const everywhere = address === null && port >= 0;
  return everywhere ? bind.call(this, '127.0.0.1', port, 4, ...rest) : bind.call(this, address, port, family, ...rest);
};

// Whatever dials ends in connect, with (port, host), with options, or with an array that starts with these options.
const connect = Socket.prototype.connect;

Socket.prototype.connect = function connectOnLoopback(...args) {
  const first = Array.isArray(args[0]) ? args[0][0] : args[0];
  const options = typeof first === 'object' && first !== null ? first : { port: first, host: args[1] };
  const host = typeof options.host === 'string' ? options.host : 'localhost';
  if (!options.path && !['127.0.0.1', '::1', 'localhost'].includes(host)) {
    throw new Error(`${host} is another machine`);
  }
  return connect.apply(this, args);
};
