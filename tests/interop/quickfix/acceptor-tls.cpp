// QuickFIX as acceptor with TLS. As acceptor.cpp otherwise, see peer.h.

// The library was built with it, its headers hide it.
#define HAVE_SSL 1

#include "peer.h"

#include <quickfix/SSLSocketAcceptor.h>

int main( int argc, char** argv )
{
  return interop::run<FIX::SSLSocketAcceptor>( argc, argv, "acceptor" );
}
