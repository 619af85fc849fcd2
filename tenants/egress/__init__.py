"""The one way out: every connection that leaves this installation, e-mail aside, is opened here. Knows no Django."""

USER_AGENT = "Trunkline"
