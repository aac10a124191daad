// jspurefix as initiator on FIX.4.4: one connection, driven through stdin and observed through stdout
// with the words of ../PEERS.md. It keeps no store, so every run begins with ResetSeqNumFlag(141)=Y.
//
//   node initiator.js --port N --sender X --target Y --heartbeat S

'use strict'

// jspurefix needs it loaded first and leaves that to its users.
require('reflect-metadata')
const path = require('path')
const readline = require('readline')
const { AsciiSession, EmptyLogFactory, SessionLauncher } = require('jspurefix')

// Orders per turn of the event loop, so that reading goes on while a burst is sent.
const ORDERS_PER_TURN = 50
const LOGON_WAIT_SECONDS = 10
const EXIT_USAGE = 2
const EXIT_ORPHANED = 3
const EXIT_KILLED = 9

function emit (line) {
  process.stdout.write(line + '\n')
}

function parseOptions (args) {
  const options = {}
  for (let i = 0; i < args.length; i += 2) {
    const name = args[i].replace(/^--/, '')
    if (!['port', 'sender', 'target', 'heartbeat'].includes(name)) throw new Error(`${args[i]}: unknown option`)
    if (args[i + 1] === undefined) throw new Error(`${args[i]}: value missing`)
    options[name] = args[i + 1]
  }
  for (const name of ['port', 'sender', 'target', 'heartbeat']) {
    if (options[name] === undefined) throw new Error(`--${name} is required`)
  }
  return options
}

function description (options) {
  return {
    application: {
      type: 'initiator',
      name: options.sender,
      protocol: 'ascii',
      // Shipped in the package, so validation of what we send needs nothing else.
      dictionary: path.join(path.dirname(require.resolve('jspurefix/package.json')), 'data', 'FIX44.xml'),
      reconnectSeconds: 1,
      connectTimeoutSeconds: LOGON_WAIT_SECONDS,
      tcp: { host: '127.0.0.1', port: Number(options.port) }
    },
    BeginString: 'FIX.4.4',
    SenderCompId: options.sender,
    TargetCompID: options.target,
    HeartBtInt: Number(options.heartbeat),
    ResetSeqNumFlag: true,
    EncryptMethod: 0,
    Username: '',
    Password: ''
  }
}

// Checks a stream of ClOrdID(11) of the form PREFIX-n: n rises by one, and comes again only with
// PossDupFlag(43)=Y.
class Stream {
  constructor (name) {
    this.name = name
    this.distinct = this.first = this.last = this.duplicates = this.anomalies = 0
  }

  // True if this one was not seen before.
  see (clOrdID, possDup) {
    const match = /-(\d+)$/.exec(clOrdID)
    if (!match) return this.anomaly(`${clOrdID}: expected PREFIX-number in ClOrdID(11)`)
    const n = Number(match[1])
    if (this.distinct > 0 && n <= this.last) {
      if (!possDup) return this.anomaly(`${clOrdID} came again without PossDupFlag(43)=Y, last was ${this.last}`)
      ++this.duplicates
      return false
    }
    if (this.distinct > 0 && n !== this.last + 1) this.anomaly(`${clOrdID} came when ${this.last + 1} was next`)
    if (this.distinct === 0) this.first = n
    this.last = n
    ++this.distinct
    return true
  }

  anomaly (text) {
    ++this.anomalies
    emit(`error ${this.name} ${text}`)
    return false
  }

  describe () {
    const n = this.name
    return `${n}=${this.distinct} ${n}-first=${this.first} ${n}-last=${this.last} ${n}-dup=${this.duplicates} ${n}-errors=${this.anomalies}`
  }
}

class Session extends AsciiSession {
  constructor (config) {
    super(config)
    // jspurefix checks what it receives only as acceptor unless told to.
    this.checkMsgIntegrity = true
    this.orders = new Stream('orders')
    this.reports = new Stream('reports')
    this.loggedOn = false
    this.toSend = 0
    this.next = 1
    this.sent = 0
    this.rejects = 0
  }

  onReady () {
    this.loggedOn = true
    emit('logon')
  }

  onLogon () {
    return true
  }

  onStopped (error) {
    if (error) emit(`error session ended: ${error.message}`)
    if (this.loggedOn) emit('down')
    this.loggedOn = false
  }

  onDecoded () {}

  onEncoded (msgType, text) {
    // The only notice jspurefix gives of a Reject(3) of its own.
    if (msgType === '3') {
      ++this.rejects
      emit(`reject-sent ${text}`)
    }
  }

  onMsg (msgType, view) {
    if (msgType === '3') {
      ++this.rejects
      emit(`reject-received ${view.toString()}`)
    } else if (msgType === '5') emit(`logout-received ${view.getString(58) ?? ''}`)
    else if (msgType === '2') emit(`resend-request-received ${view.getString(7)} ${view.getString(16)}`)
    super.onMsg(msgType, view)
  }

  onApplicationMsg (msgType, view) {
    const possDup = view.getString(43) === 'Y'
    const clOrdID = view.getString(11)
    if (msgType === '8') {
      this.reports.see(clOrdID, possDup)
    } else if (msgType === 'D') {
      if (this.orders.see(clOrdID, possDup)) this.send('8', executionReport(clOrdID, view))
    } else if (msgType === 'j') {
      ++this.rejects
      emit(`business-reject-received ref=${view.getString(45)} reason=${view.getString(380)} ${view.getString(58) ?? ''}`)
    }
  }

  queueOrders (count, first) {
    if (this.toSend > 0) return emit('error orders: the previous burst is still being sent')
    this.toSend = count
    this.next = first ?? this.next
    this.sendSome()
  }

  sendSome () {
    for (let i = 0; i < ORDERS_PER_TURN && this.toSend > 0; ++i, --this.toSend, ++this.next) {
      this.send('D', newOrderSingle(`${this.config.description.SenderCompId}-${this.next}`, this.next), (error) => {
        if (error) emit(`error order not sent: ${error.message}`)
      })
      ++this.sent
    }
    if (this.toSend > 0) setImmediate(() => this.sendSome())
  }

  describe () {
    return `logged-on=${this.loggedOn ? 'yes' : 'no'} in=${this.lastPeerSeqNum() + 1} out=${this.lastSentSeqNum() + 1} ` +
      `sent=${this.sent} sent-last=${this.sent ? this.next - 1 : 0} ` +
      `${this.orders.describe()} ${this.reports.describe()} rejects=${this.rejects}`
  }
}

function newOrderSingle (clOrdID, n) {
  return {
    ClOrdID: clOrdID,
    HandlInst: '1',
    Instrument: { Symbol: 'ESZ6' },
    Side: n % 2 ? '1' : '2',
    TransactTime: new Date(),
    OrderQtyData: { OrderQty: 1 + n % 100 },
    OrdType: '2',
    Price: 4012.25
  }
}

// Acknowledges an order as new.
function executionReport (clOrdID, order) {
  const quantity = Number(order.getString(38))
  return {
    OrderID: `O-${clOrdID}`,
    ClOrdID: clOrdID,
    ExecID: `E-${clOrdID}`,
    ExecType: '0',
    OrdStatus: '0',
    Instrument: { Symbol: order.getString(55) },
    Side: order.getString(54),
    OrderQtyData: { OrderQty: quantity },
    LeavesQty: quantity,
    CumQty: 0,
    AvgPx: 0
  }
}

class Launcher extends SessionLauncher {
  constructor (options) {
    super(description(options), null, new EmptyLogFactory())
    this.session = null
  }

  makeFactory () {
    return {
      makeSession: (config) => {
        this.session = new Session(config)
        return this.session
      }
    }
  }
}

function obey (line, launcher) {
  const [command, ...words] = line.trim().split(/\s+/)
  const session = launcher.session
  if (command === 'kill') process.exit(EXIT_KILLED)
  else if (!session) emit(`error ${command}: no session yet`)
  else if (command === 'orders' && Number(words[0]) > 0) session.queueOrders(Number(words[0]), words[1] && Number(words[1]))
  else if (command === 'status') emit(`status ${session.describe()}`)
  // jspurefix chooses the Text(58) of its Logout(5), and the run ends with the answer.
  else if (command === 'logout' || command === 'stop') session.done()
  else emit(`error unknown command: ${line}`)
}

function main () {
  const launcher = new Launcher(parseOptions(process.argv.slice(2)))
  const lines = readline.createInterface({ input: process.stdin })
  lines.on('line', (line) => obey(line, launcher))
  // Whoever drove us is gone: leave no process behind.
  lines.on('close', () => process.exit(EXIT_ORPHANED))
  emit('ready')
  launcher.run().then(() => {
    emit('stopped')
    process.exit(0)
  }).catch((error) => {
    emit(`error ${error.message}`)
    process.exit(1)
  })
}

try {
  main()
} catch (error) {
  emit(`error ${error.message}`)
  process.exit(EXIT_USAGE)
}
