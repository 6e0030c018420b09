//! How a leave comes into our hands: by `/delegate_delayed_leave`, or along with the request for a token.

use super::job::{Delegation, Seat, SeatEvent};
use super::shell::Leaves;
use crate::admission::{Focus, identity};
use crate::ask::{Ask, AskedLeave, AskedMember};
use crate::refusal::Refusal;
use crate::request_log::Notes;
use hanse_matrixrtc::UserId;
use hanse_matrixrtc::names::plain_identity;

impl Focus {
    /// Has delayed leaves taken over. Before that, `/delegate_delayed_leave` does not exist, and leaves that come with
    /// requests for tokens are passed over.
    pub fn with_delayed_leaves(mut self, leaves: Leaves) -> Self {
        self.leaves = Some(leaves);
        self
    }

    /// Takes over the delayed leave of somebody who is on the SFU, or about to be.
    ///
    /// The request names a member by the parts of its hashed identity, also when the client came by `/sfu/get` and sits
    /// there under its plain one. So the leave is for whichever of the two is there.
    ///
    /// # Errors
    ///
    /// Why it is not taken over.
    pub(crate) async fn delegate(&self, ask: &Ask, notes: &mut Notes) -> Result<(), Refusal> {
        let user = self.asker(&ask.server_name, &ask.access_token, notes).await?;
        let seat = Seat {
            room: ask.room.clone(),
            identity: identity(ask, &user)?,
        };
        if !self.policy().full_access.includes(user.server_name()) {
            return Err(Refusal::ForeignLeave);
        }
        let plain = match &ask.member {
            AskedMember::Hashed {
                claimed_device_id, ..
            } => plain_identity(&user, claimed_device_id),
            AskedMember::Plain { .. } => None,
        };
        self.take_leave_over(ask.leave.as_ref(), seat, plain, &user).await
    }

    /// Takes over the leave that comes along, if one does and leaves are taken over at all.
    pub(crate) async fn take_leave_over(
        &self,
        leave: Option<&AskedLeave>,
        seat: Seat,
        other_identity: Option<String>,
        user: &UserId,
    ) -> Result<(), Refusal> {
        let (Some(leaves), Some(leave)) = (&self.leaves, leave) else {
            return Ok(());
        };
        let is_odd = |name: &String| name.contains(char::is_control);
        if is_odd(&seat.identity) || other_identity.as_ref().is_some_and(is_odd) {
            return Err(Refusal::BadField("the device id has a control character in it"));
        }
        let delegation = Delegation {
            seat,
            other_identity,
            server: user.server_name().clone(),
            delay_id: leave.delay_id.clone(),
            delay_ms: leave.delay_ms,
        };
        leaves.delegate(delegation).await.map_err(Refusal::NoLeave)
    }

    /// Takes in what the SFU says of its seats, for those who judge and for delayed leaves. Events of one room come in
    /// their order, one after the other.
    pub async fn hear(&self, event: SeatEvent) {
        self.heard(&event);
        if let Some(leaves) = &self.leaves {
            leaves.seat_event(event).await;
        }
    }
}
