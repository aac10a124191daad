// QuickFIX as acceptor: listens, answers orders, sends orders when told to. See peer.h.

#include "peer.h"

#include <quickfix/SocketAcceptor.h>

int main( int argc, char** argv )
{
  return interop::run<FIX::SocketAcceptor>( argc, argv, "acceptor" );
}
