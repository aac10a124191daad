// One FIX session of QuickFIX that a test drives through stdin and observes through stdout.
//
// The acceptor and the initiator differ only in which QuickFIX engine they hand to `run`. What they
// understand and print is written down in ../PEERS.md.
//
// Everything happens on one thread: QuickFIX's `poll` is called in a loop and commands are carried
// out between two calls. So no QuickFIX object is ever touched from two threads.

#ifndef INTEROP_PEER_H
#define INTEROP_PEER_H

#include <quickfix/Application.h>
#include <quickfix/Exceptions.h>
#include <quickfix/FieldConvertors.h>
#include <quickfix/FileStore.h>
#include <quickfix/Log.h>
#include <quickfix/Message.h>
#include <quickfix/Session.h>
#include <quickfix/SessionSettings.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>

#include <poll.h>
#include <unistd.h>

namespace interop
{
// Debian's QuickFIX never waits in `poll`, whatever timeout it is given, and writes one queued message
// per call. So the loop spins while messages flow and for SPIN after the last one, and then looks at
// the sockets every IDLE_MS.
const std::chrono::milliseconds SPIN( 20 );
const int IDLE_MS = 1;
// Orders handed to QuickFIX per turn, so that reading goes on while a burst is sent.
const int ORDERS_PER_TURN = 50;
// How long `stop` waits for the answer to its Logout(5).
const std::chrono::seconds STOP_WAIT( 5 );

const int EXIT_KILLED = 9;
const int EXIT_ORPHANED = 3;
const int EXIT_USAGE = 2;

struct Tag
{
  enum
  {
    AvgPx = 6, BeginSeqNo = 7, ClOrdID = 11, CumQty = 14, EndSeqNo = 16, ExecID = 17,
    ExecTransType = 20, HandlInst = 21, LastPx = 31, LastShares = 32, NewSeqNo = 36, OrderID = 37, OrderQty = 38, OrdStatus = 39,
    OrdType = 40, PossDupFlag = 43, Price = 44, RefSeqNum = 45, Side = 54, Symbol = 55, Text = 58,
    TransactTime = 60, GapFillFlag = 123, ExecType = 150, LeavesQty = 151, RefTagID = 371,
    SessionRejectReason = 373, BusinessRejectReason = 380
  };
};

inline void emit( const std::string& line )
{
  std::cout << line << std::endl;
}

inline std::string valueOr( const FIX::FieldMap& fields, int tag, const std::string& absent = "-" )
{
  return fields.isSetField( tag ) ? fields.getField( tag ) : absent;
}

// ---------------------------------------------------------------------------------------------------
// Versions

// What differs between versions in what this peer sends. The rest QuickFIX knows by itself.
struct Version
{
  const char* name;
  const char* beginString;
  bool execTransType;   // ExecTransType(20) on a report
  bool execType;        // ExecType(150) and LeavesQty(151) on a report
  bool lastFill;        // LastShares(32) and LastPx(31) on every report
  bool transactTime;    // TransactTime(60) on an order

  bool isFixt() const { return std::string( beginString ) == "FIXT.1.1"; }

  static const Version& named( const std::string& name )
  {
    static const Version all[] = {
      { "FIX.4.0", "FIX.4.0", true, false, true, false },
      { "FIX.4.1", "FIX.4.1", true, true, true, false },
      { "FIX.4.2", "FIX.4.2", true, true, false, true },
      { "FIX.4.3", "FIX.4.3", false, true, false, true },
      { "FIX.4.4", "FIX.4.4", false, true, false, true },
      { "FIX.5.0", "FIXT.1.1", false, true, false, true },
      { "FIX.5.0SP1", "FIXT.1.1", false, true, false, true },
      { "FIX.5.0SP2", "FIXT.1.1", false, true, false, true },
    };
    std::string names;
    for( const Version& version : all )
    {
      if( name == version.name ) return version;
      names += std::string( " " ) + version.name;
    }
    throw std::invalid_argument( "--version " + name + ": use one of" + names );
  }
};

// ---------------------------------------------------------------------------------------------------
// Command line

struct Options
{
  int port = 0;
  const Version* version = 0;
  std::string sender;
  std::string target;
  std::string store;
  int heartbeatSeconds = 30;
  bool reset = false;
  std::string dictionary = "none";
  std::string transportDictionary = "none";
  // PEM, all three or none: our certificate, its key, and who vouches for the other side's.
  std::string certificate;
  std::string key;
  std::string authority;

  static Options parse( int argc, char** argv )
  {
    Options options;
    for( int i = 1; i < argc; i += 2 )
    {
      const std::string name = argv[i];
      if( i + 1 == argc ) throw std::invalid_argument( name + ": value missing" );
      options.set( name, argv[i + 1] );
    }
    options.check();
    return options;
  }

private:
  void set( const std::string& name, const std::string& value )
  {
    if( name == "--port" ) port = number( name, value, 1, 65535 );
    else if( name == "--version" ) version = &Version::named( value );
    else if( name == "--sender" ) sender = value;
    else if( name == "--target" ) target = value;
    else if( name == "--store" ) store = value;
    else if( name == "--heartbeat" ) heartbeatSeconds = number( name, value, 1, 3600 );
    else if( name == "--reset" ) reset = yesOrNo( name, value );
    else if( name == "--dictionary" ) dictionary = value;
    else if( name == "--transport-dictionary" ) transportDictionary = value;
    else if( name == "--certificate" ) certificate = value;
    else if( name == "--key" ) key = value;
    else if( name == "--authority" ) authority = value;
    else throw std::invalid_argument( name + ": unknown option" );
  }

  void check() const
  {
    if( port == 0 || version == 0 || sender.empty() || target.empty() || store.empty() )
      throw std::invalid_argument( "--port, --version, --sender, --target and --store are required" );
    if( certificate.empty() != key.empty() || certificate.empty() != authority.empty() )
      throw std::invalid_argument( "--certificate, --key and --authority are given together" );
    if( version->isFixt() && ( dictionary == "none" ) != ( transportDictionary == "none" ) )
      throw std::invalid_argument( "FIX.5.0 and later need both --dictionary and --transport-dictionary, or neither" );
  }

  static int number( const std::string& name, const std::string& value, int low, int high )
  {
    char* end = 0;
    const long parsed = std::strtol( value.c_str(), &end, 10 );
    if( value.empty() || *end != 0 || parsed < low || parsed > high )
      throw std::invalid_argument( name + " " + value + ": use a number from " + std::to_string( low )
                                   + " to " + std::to_string( high ) );
    return static_cast<int>( parsed );
  }

  static bool yesOrNo( const std::string& name, const std::string& value )
  {
    if( value == "yes" ) return true;
    if( value == "no" ) return false;
    throw std::invalid_argument( name + " " + value + ": use yes or no" );
  }
};

// A QuickFIX session day that ends half a day from now, so that no run crosses its end and finds its
// sequence numbers reset.
inline std::string sessionBoundary()
{
  const time_t inHalfADay = time( 0 ) + 12 * 3600;
  struct tm parts;
  gmtime_r( &inHalfADay, &parts );
  char text[16];
  strftime( text, sizeof text, "%H:00:00", &parts );
  return text;
}

inline FIX::SessionSettings sessionSettings( const Options& options, const std::string& connectionType )
{
  // All of it goes into the defaults, because QuickFIX looks for ReconnectInterval and SocketNodelay
  // only there and silently falls back to 30 s and N.
  FIX::Dictionary d;
  d.setString( FIX::CONNECTION_TYPE, connectionType );
  d.setString( FIX::START_TIME, sessionBoundary() );
  d.setString( FIX::END_TIME, sessionBoundary() );
  d.setString( FIX::FILE_STORE_PATH, options.store );
  d.setBool( FIX::RESET_ON_LOGON, options.reset );
  d.setBool( FIX::SOCKET_NODELAY, true );

  if( connectionType == "initiator" )
  {
    d.setInt( FIX::HEARTBTINT, options.heartbeatSeconds );
    d.setInt( FIX::RECONNECT_INTERVAL, 1 );
    d.setString( FIX::SOCKET_CONNECT_HOST, "127.0.0.1" );
    d.setInt( FIX::SOCKET_CONNECT_PORT, options.port );
  }
  else
  {
    d.setInt( FIX::SOCKET_ACCEPT_PORT, options.port );
  }

  if( !options.certificate.empty() )
  {
    const bool accepts = connectionType == "acceptor";
    d.setString( accepts ? FIX::SERVER_CERT_FILE : FIX::CLIENT_CERT_FILE, options.certificate );
    d.setString( accepts ? FIX::SERVER_CERT_KEY_FILE : FIX::CLIENT_CERT_KEY_FILE, options.key );
    d.setString( FIX::CERT_AUTH_FILE, options.authority );
    // 1: the other side must show a certificate, and it must be good.
    d.setString( FIX::VERIFY_LEVEL, "1" );
    d.setString( FIX::SSL_PROTOCOL, "+TLSv1_2" );
  }

  d.setBool( FIX::USE_DATA_DICTIONARY, options.dictionary != "none" );
  if( options.version->isFixt() )
  {
    d.setString( FIX::DEFAULT_APPLVERID, options.version->name );
    if( options.dictionary != "none" )
    {
      d.setString( FIX::TRANSPORT_DATA_DICTIONARY, options.transportDictionary );
      d.setString( FIX::APP_DATA_DICTIONARY, options.dictionary );
    }
  }
  else if( options.dictionary != "none" )
  {
    d.setString( FIX::DATA_DICTIONARY, options.dictionary );
  }

  FIX::SessionSettings settings;
  settings.set( d );
  settings.set( FIX::SessionID( options.version->beginString, options.sender, options.target ), FIX::Dictionary() );
  return settings;
}

// ---------------------------------------------------------------------------------------------------
// Log

// QuickFIX's own words go to stderr, for the report of a test that failed. What it only says there,
// and no callback tells, becomes an `error` line.
class StderrLog : public FIX::Log
{
public:
  void clear() {}
  void backup() {}
  void onIncoming( const std::string& ) {}
  void onOutgoing( const std::string& ) {}

  void onEvent( const std::string& text )
  {
    std::cerr << "quickfix: " << text << std::endl;
    if( text.compare( 0, 15, "Invalid message" ) == 0 ) emit( "error " + text );
  }
};

class StderrLogFactory : public FIX::LogFactory
{
public:
  FIX::Log* create() { return new StderrLog; }
  FIX::Log* create( const FIX::SessionID& ) { return new StderrLog; }
  void destroy( FIX::Log* log ) { delete log; }
};

// ---------------------------------------------------------------------------------------------------
// Counting

// Checks a stream of ClOrdID(11) of the form PREFIX-n: n rises by one, and comes again only with
// PossDupFlag(43)=Y. The first n this process sees is taken as the start, because a process that was
// restarted does not know where its predecessor stopped; the test compares `first` with the end of
// the run before.
class Stream
{
public:
  explicit Stream( const std::string& name ) : m_name( name ) {}

  // True if this one was not seen before.
  bool see( const std::string& clOrdID, bool possDup )
  {
    const long n = numberOf( clOrdID );
    if( n < 0 )
      return anomaly( clOrdID + ": expected PREFIX-number in ClOrdID(11)" );
    if( m_distinct > 0 && n <= m_last && possDup )
    {
      ++m_duplicates;
      return false;
    }
    if( m_distinct > 0 && n <= m_last )
      return anomaly( clOrdID + " came again without PossDupFlag(43)=Y, last was " + std::to_string( m_last ) );
    if( m_distinct > 0 && n != m_last + 1 )
      anomaly( clOrdID + " came when " + std::to_string( m_last + 1 ) + " was next" );
    if( m_distinct == 0 ) m_first = n;
    m_last = n;
    ++m_distinct;
    return true;
  }

  long distinct() const { return m_distinct; }

  std::string describe() const
  {
    std::ostringstream text;
    text << m_name << "=" << m_distinct << " " << m_name << "-first=" << m_first << " " << m_name
         << "-last=" << m_last << " " << m_name << "-dup=" << m_duplicates << " " << m_name
         << "-errors=" << m_anomalies;
    return text.str();
  }

private:
  bool anomaly( const std::string& text )
  {
    ++m_anomalies;
    emit( "error " + m_name + " " + text );
    return false;
  }

  static long numberOf( const std::string& clOrdID )
  {
    const std::string::size_type dash = clOrdID.rfind( '-' );
    if( dash == std::string::npos || dash + 1 == clOrdID.size() ) return -1;
    char* end = 0;
    const long n = std::strtol( clOrdID.c_str() + dash + 1, &end, 10 );
    return *end == 0 ? n : -1;
  }

  std::string m_name;
  long m_distinct = 0;
  long m_first = 0;
  long m_last = 0;
  long m_duplicates = 0;
  long m_anomalies = 0;
};

// ---------------------------------------------------------------------------------------------------
// Application

class Peer : public FIX::Application
{
public:
  explicit Peer( const Options& options )
  : m_options( options ), m_session( options.version->beginString, options.sender, options.target ),
    m_orders( "orders" ), m_reports( "reports" ) {}

  const FIX::SessionID& sessionID() const { return m_session; }

  void queueOrders( long count, long first )
  {
    m_toSend = count;
    m_next = first;
  }

  long nextOrder() const { return m_next; }
  bool isSending() const { return m_toSend > 0; }

  // Rises with every message in either direction.
  unsigned long activity() const { return m_activity; }

  void sendSome()
  {
    for( int i = 0; i < ORDERS_PER_TURN && m_toSend > 0; ++i, --m_toSend, ++m_next )
    {
      FIX::Message order = newOrderSingle( m_options.sender + "-" + std::to_string( m_next ) );
      FIX::Session::sendToTarget( order, m_session );
      ++m_sent;
    }
  }

  // What `when` counts; -1 for a name that is none of them.
  long counter( const std::string& name ) const
  {
    if( name == "sent" ) return m_sent;
    if( name == "orders" ) return m_orders.distinct();
    if( name == "reports" ) return m_reports.distinct();
    return -1;
  }

  std::string describe() const
  {
    std::ostringstream text;
    text << "sent=" << m_sent << " sent-last=" << ( m_sent ? m_next - 1 : 0 ) << " resent=" << m_resent << " " << m_orders.describe() << " "
         << m_reports.describe() << " rejects=" << m_rejects;
    return text.str();
  }

  void onCreate( const FIX::SessionID& ) {}
  void onLogon( const FIX::SessionID& ) { emit( "logon" ); }
  void onLogout( const FIX::SessionID& ) { emit( "down" ); }

  void toAdmin( FIX::Message& message, const FIX::SessionID& )
  {
    ++m_activity;
    tellAdmin( message, "sent" );
  }

  void fromAdmin( const FIX::Message& message, const FIX::SessionID& )
  throw( FIX::FieldNotFound, FIX::IncorrectDataFormat, FIX::IncorrectTagValue, FIX::RejectLogon )
  {
    ++m_activity;
    tellAdmin( message, "received" );
  }

  void toApp( FIX::Message& message, const FIX::SessionID& ) throw( FIX::DoNotSend )
  {
    ++m_activity;
    if( isPossDup( message ) ) ++m_resent;
    if( msgType( message ) == "j" ) tellBusinessReject( message, "sent" );
  }

  void fromApp( const FIX::Message& message, const FIX::SessionID& )
  throw( FIX::FieldNotFound, FIX::IncorrectDataFormat, FIX::IncorrectTagValue, FIX::UnsupportedMessageType )
  {
    ++m_activity;
    const std::string type = msgType( message );
    if( type == "D" )
    {
      if( m_orders.see( message.getField( Tag::ClOrdID ), isPossDup( message ) ) )
      {
        FIX::Message report = executionReport( message );
        FIX::Session::sendToTarget( report, m_session );
      }
    }
    else if( type == "8" ) m_reports.see( message.getField( Tag::ClOrdID ), isPossDup( message ) );
    else if( type == "j" ) tellBusinessReject( message, "received" );
    else throw FIX::UnsupportedMessageType();
  }

private:
  FIX::Message newOrderSingle( const std::string& clOrdID ) const
  {
    FIX::Message order = blank( "D" );
    order.setField( Tag::ClOrdID, clOrdID );
    order.setField( Tag::HandlInst, "1" );
    order.setField( Tag::Symbol, "ESZ6" );
    order.setField( Tag::Side, m_next % 2 ? "1" : "2" );
    if( m_options.version->transactTime )
      order.setField( Tag::TransactTime, FIX::UtcTimeStampConvertor::convert( FIX::UtcTimeStamp(), 3 ) );
    order.setField( Tag::OrderQty, std::to_string( 1 + m_next % 100 ) );
    order.setField( Tag::OrdType, "2" );
    order.setField( Tag::Price, "4012.25" );
    return order;
  }

  // Acknowledges an order as new, with every field its version requires.
  FIX::Message executionReport( const FIX::Message& order ) const
  {
    const std::string clOrdID = order.getField( Tag::ClOrdID );
    FIX::Message report = blank( "8" );
    report.setField( Tag::OrderID, "O-" + clOrdID );
    report.setField( Tag::ExecID, "E-" + clOrdID );
    report.setField( Tag::ClOrdID, clOrdID );
    if( m_options.version->execTransType ) report.setField( Tag::ExecTransType, "0" );
    if( m_options.version->execType )
    {
      report.setField( Tag::ExecType, "0" );
      report.setField( Tag::LeavesQty, order.getField( Tag::OrderQty ) );
    }
    if( m_options.version->lastFill )
    {
      report.setField( Tag::LastShares, "0" );
      report.setField( Tag::LastPx, "0" );
    }
    report.setField( Tag::OrdStatus, "0" );
    report.setField( Tag::Symbol, order.getField( Tag::Symbol ) );
    report.setField( Tag::Side, order.getField( Tag::Side ) );
    report.setField( Tag::OrderQty, order.getField( Tag::OrderQty ) );
    report.setField( Tag::CumQty, "0" );
    report.setField( Tag::AvgPx, "0" );
    return report;
  }

  FIX::Message blank( const std::string& type ) const
  {
    FIX::Message message;
    message.getHeader().setField( FIX::BeginString( m_options.version->beginString ) );
    message.getHeader().setField( FIX::MsgType( type ) );
    return message;
  }

  void tellAdmin( const FIX::Message& message, const std::string& direction )
  {
    const std::string type = msgType( message );
    if( type == "2" )
      emit( "resend-request-" + direction + " " + valueOr( message, Tag::BeginSeqNo ) + " "
            + valueOr( message, Tag::EndSeqNo ) );
    else if( type == "3" )
    {
      ++m_rejects;
      emit( "reject-" + direction + " ref=" + valueOr( message, Tag::RefSeqNum ) + " reason="
            + valueOr( message, Tag::SessionRejectReason ) + " tag=" + valueOr( message, Tag::RefTagID )
            + " " + valueOr( message, Tag::Text, "" ) );
    }
    else if( type == "4" )
      emit( "sequence-reset-" + direction + " " + valueOr( message, Tag::GapFillFlag, "N" ) + " "
            + valueOr( message, Tag::NewSeqNo ) );
    else if( type == "5" ) emit( "logout-" + direction + " " + valueOr( message, Tag::Text, "" ) );
  }

  void tellBusinessReject( const FIX::Message& message, const std::string& direction )
  {
    ++m_rejects;
    emit( "business-reject-" + direction + " ref=" + valueOr( message, Tag::RefSeqNum ) + " reason="
          + valueOr( message, Tag::BusinessRejectReason ) + " " + valueOr( message, Tag::Text, "" ) );
  }

  static std::string msgType( const FIX::Message& message )
  {
    return message.getHeader().getField( FIX::FIELD::MsgType );
  }

  static bool isPossDup( const FIX::Message& message )
  {
    return valueOr( message.getHeader(), Tag::PossDupFlag, "N" ) == "Y";
  }

  Options m_options;
  FIX::SessionID m_session;
  unsigned long m_activity = 0;
  long m_toSend = 0;
  long m_next = 1;
  long m_sent = 0;
  long m_resent = 0;
  long m_rejects = 0;
  Stream m_orders;
  Stream m_reports;
};

// ---------------------------------------------------------------------------------------------------
// Commands

// Lines of stdin, waiting at most for the time given. std::getline would wait for the rest of half a
// line.
class CommandInput
{
public:
  enum Result { LINE, NOTHING, END };

  Result next( std::string& line, int waitMs )
  {
    for( ;; )
    {
      const std::string::size_type newline = m_buffer.find( '\n' );
      if( newline != std::string::npos )
      {
        line = m_buffer.substr( 0, newline );
        m_buffer.erase( 0, newline + 1 );
        return LINE;
      }
      struct pollfd in = { STDIN_FILENO, POLLIN, 0 };
      if( ::poll( &in, 1, waitMs ) <= 0 ) return NOTHING;
      char chunk[512];
      const ssize_t got = ::read( STDIN_FILENO, chunk, sizeof chunk );
      if( got <= 0 ) return END;
      m_buffer.append( chunk, got );
    }
  }

private:
  std::string m_buffer;
};

template <class Engine> class Driver
{
public:
  Driver( Engine& engine, Peer& peer ) : m_engine( engine ), m_peer( peer ) {}

  int run()
  {
    m_engine.poll();
    emit( "ready" );
    for( ;; )
    {
      std::string line;
      switch( m_input.next( line, isBusy() ? 0 : IDLE_MS ) )
      {
      case CommandInput::LINE:
        if( obey( line ) == STOPPED ) return 0;
        break;
      case CommandInput::END:
        // Whoever drove us is gone: leave no process behind.
        std::_Exit( EXIT_ORPHANED );
      case CommandInput::NOTHING:
        turn();
      }
    }
  }

private:
  typedef std::chrono::steady_clock Clock;
  enum Outcome { RUNNING, STOPPED };

  bool isBusy()
  {
    const Clock::time_point now = Clock::now();
    if( m_peer.activity() != m_seenActivity )
    {
      m_seenActivity = m_peer.activity();
      m_lastActivity = now;
    }
    return m_peer.isSending() || now - m_lastActivity < SPIN;
  }

  void turn()
  {
    m_peer.sendSome();
    m_engine.poll();
    if( !m_whenCounter.empty() && m_peer.counter( m_whenCounter ) >= m_whenAtLeast )
    {
      m_whenCounter.clear();
      emit( "when " + m_whenCommand );
      obey( m_whenCommand );
    }
  }

  Outcome obey( const std::string& line )
  {
    std::istringstream words( line );
    std::string command;
    words >> command;
    if( command == "orders" ) orders( words );
    else if( command == "status" ) status();
    else if( command == "logout" ) logout( restOf( words ) );
    else if( command == "logon" ) session().logon();
    else if( command == "drop" ) session().disconnect();
    else if( command == "when" ) when( words );
    else if( command == "kill" ) std::_Exit( EXIT_KILLED );
    else if( command == "stop" ) return stop();
    else emit( "error unknown command: " + line );
    return RUNNING;
  }

  void orders( std::istringstream& words )
  {
    long count = 0;
    long first = m_peer.nextOrder();
    if( !( words >> count ) || count < 1 ) return emit( "error orders: use orders COUNT [FIRST]" );
    if( !words.eof() ) words >> first;
    if( m_peer.isSending() ) return emit( "error orders: the previous burst is still being sent" );
    m_peer.queueOrders( count, first );
  }

  void when( std::istringstream& words )
  {
    std::string counter;
    long atLeast = 0;
    words >> counter >> atLeast;
    const std::string command = restOf( words );
    if( m_peer.counter( counter ) < 0 || ( command != "drop" && command != "kill" ) )
      return emit( "error when: use when sent|orders|reports COUNT drop|kill" );
    m_whenCounter = counter;
    m_whenAtLeast = atLeast;
    m_whenCommand = command;
  }

  void status()
  {
    std::ostringstream text;
    text << "status logged-on=" << ( session().isLoggedOn() ? "yes" : "no" ) << " in="
         << session().getExpectedTargetNum() << " out=" << session().getExpectedSenderNum() << " "
         << m_peer.describe();
    emit( text.str() );
  }

  void logout( const std::string& text )
  {
    session().logout( text );
    // Session::next() is QuickFIX's timer; it is what sends the Logout(5).
    session().next();
  }

  Outcome stop()
  {
    logout( "" );
    const Clock::time_point end = Clock::now() + STOP_WAIT;
    while( session().isLoggedOn() && Clock::now() < end )
      m_engine.poll();
    if( session().isLoggedOn() ) emit( "error stop: no answer to Logout(5)" );
    // Forced, because the loop above already waited; QuickFIX's own wait does not poll.
    m_engine.stop( true );
    emit( "stopped" );
    return STOPPED;
  }

  FIX::Session& session() { return *m_engine.getSession( m_peer.sessionID() ); }

  static std::string restOf( std::istringstream& words )
  {
    std::string rest;
    std::getline( words >> std::ws, rest );
    return rest;
  }

  Engine& m_engine;
  Peer& m_peer;
  CommandInput m_input;
  unsigned long m_seenActivity = 0;
  Clock::time_point m_lastActivity = Clock::now();
  std::string m_whenCounter;
  long m_whenAtLeast = 0;
  std::string m_whenCommand;
};

// The whole program. `connectionType` is QuickFIX's ConnectionType setting and must fit `Engine`.
template <class Engine> int run( int argc, char** argv, const std::string& connectionType )
{
  try
  {
    const Options options = Options::parse( argc, argv );
    const FIX::SessionSettings settings = sessionSettings( options, connectionType );
    FIX::FileStoreFactory stores( settings );
    StderrLogFactory logs;
    Peer peer( options );
    Engine engine( peer, stores, settings, logs );
    return Driver<Engine>( engine, peer ).run();
  }
  catch( const std::exception& e )
  {
    emit( std::string( "error " ) + e.what() );
    return EXIT_USAGE;
  }
}
}

#endif
