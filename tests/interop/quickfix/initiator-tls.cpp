// QuickFIX as initiator with TLS. As initiator.cpp otherwise, see peer.h.

// The library was built with it, its headers hide it.
#define HAVE_SSL 1

#include "peer.h"

#include <quickfix/SSLSocketInitiator.h>

int main( int argc, char** argv )
{
  return interop::run<FIX::SSLSocketInitiator>( argc, argv, "initiator" );
}
