//! Every message through its typed codec, by its number.

use pinfix::wire::sbe::{DecodeError, EncodeError, Frame, ilink3};

/// Why a message did not go through.
#[derive(Debug)]
pub enum Refused {
    Decode(DecodeError),
    Encode(EncodeError),
}

macro_rules! messages {
    ($($Name:ident)*) => {
        /// Reads the message with its typed view and writes it with its typed encoder, in `version`.
        pub fn rewrite(frame: &Frame<'_>, version: u16, room: &mut [u8]) -> Result<usize, Refused> {
            // As `decode` does: numbers of another schema mean nothing here.
            if frame.schema_id() != 8 {
                let given = frame.schema_id();
                return Err(Refused::Decode(DecodeError::Schema { given, expected: 8 }));
            }
            match frame.template_id() {
                $(ilink3::$Name::TEMPLATE_ID => ilink3::$Name::read(frame)
                    .map_err(Refused::Decode)?
                    .write(room, version)
                    .map_err(Refused::Encode),)*
                given => Err(Refused::Decode(DecodeError::UnknownTemplate { given })),
            }
        }

        /// How many messages `rewrite` knows.
        pub const COUNT: usize = [$(ilink3::$Name::TEMPLATE_ID),*].len();
    };
}

messages! {
    BusinessReject Establish EstablishmentAck EstablishmentReject ExecutionAck ExecutionReportCancel
    ExecutionReportElimination ExecutionReportModify ExecutionReportNew ExecutionReportPendingCancel
    ExecutionReportPendingReplace ExecutionReportReject ExecutionReportStatus ExecutionReportTradeAddendumOutright
    ExecutionReportTradeAddendumSpread ExecutionReportTradeAddendumSpreadLeg ExecutionReportTradeOutright
    ExecutionReportTradeSpread ExecutionReportTradeSpreadLeg MassQuote MassQuoteAck MassQuoteRequest
    MassQuoteResponse Negotiate NegotiationReject NegotiationResponse NewOrderCross NewOrderSingle NotApplied
    OrderCancelReject OrderCancelReplaceReject OrderCancelReplaceRequest OrderCancelRequest OrderMassActionReport
    OrderMassActionRequest OrderMassStatusRequest OrderStatusRequest PartyDetailsDefinitionRequest
    PartyDetailsDefinitionRequestAck PartyDetailsListReport PartyDetailsListRequest QuoteCancel QuoteCancelAck
    QuoteCancelByGroup QuoteCancelByInstrument QuoteCancelBySet RequestForCross RequestForQuote RequestForQuoteAck
    RetransmitReject RetransmitRequest Retransmission SecurityDefinitionRequest SecurityDefinitionResponse Sequence
    Terminate
}
