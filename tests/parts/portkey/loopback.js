// Portkey has no option for the address that it listens on, and takes all of them: here it gets loopback.
const net = require('net');
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (...given) {
  const [first] = given;
  if (typeof first === 'number') {
    return listen.call(this, {port: first, host: '127.0.0.1'}, given.find((one) => typeof one === 'function'));
  }
  if (first && typeof first === 'object' && first.port !== undefined) {
    first.host = '127.0.0.1';
  }
  return listen.apply(this, given);
};
