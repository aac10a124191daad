// QuickFIX as initiator: connects (again every second), answers orders, sends orders when told to. See peer.h.

#include "peer.h"

#include <quickfix/SocketInitiator.h>

int main( int argc, char** argv )
{
  return interop::run<FIX::SocketInitiator>( argc, argv, "initiator" );
}
