/*
 * The gateway in the same process, and tokens from gateways in development mode.
 *
 * Owns: `Gateway`, `DevToken`. Lives on: any thread; starting and stopping block for a moment. Must not import: the phone.
 */
package org.ewebrtc

import org.ewebrtc.ffi.DevToken as NativeToken
import org.ewebrtc.ffi.Gateway as NativeGateway

/**
 * What a gateway in development mode gives for a name. [Phone.login] takes it as it is.
 *
 * @property accessToken The token itself; not shown when the object is printed.
 * @property expiresIn Seconds until it ends.
 * @property kind Kind of the user: an account id or a virtual number.
 * @property address Address under which others reach the user.
 */
public class DevToken internal constructor(
    public val accessToken: String,
    public val expiresIn: Long,
    public val kind: String,
    public val address: String,
) {
    internal constructor(token: NativeToken) :
        this(token.accessToken, token.expiresIn.toLong(), token.kind, token.address)

    /** Without the token. */
    override fun toString(): String = "DevToken(expiresIn=$expiresIn, kind=$kind, address=$address)"
}

/**
 * A gateway in this process, in development mode: every name may log in. It listens when the constructor returns, on a free port
 * of 127.0.0.1 unless `listen` (`"address:port"`) says otherwise. `domain` is that of the accounts. It ends with the process, when
 * it is closed, or when it is collected.
 *
 * @throws ConfigException for a `listen` that is no address and port and a `domain` that is none.
 * @throws SystemRefusedException when the address cannot be listened on.
 */
public class Gateway(listen: String? = null, domain: String? = null) : AutoCloseable {
    init {
        Process.attend()
    }

    private val native = translated { NativeGateway(listen, domain) }

    /** Address for [Phone]. */
    public val url: String = native.url()

    /**
     * A token for this user, who exists from then on: a name is an account id, 10 or 11 digits are a number.
     *
     * @throws PhoneException with the gateway's code when it does not accept the name, 0002 when it has stopped.
     */
    public suspend fun devToken(user: String): DevToken = DevToken(answer { native.devToken(text(user)) })

    /** Ends every session and stops listening. Blocks until the port is free again, five seconds at most. Twice does no more. */
    override fun close(): Unit = native.stop()

    /** Its address. */
    override fun toString(): String = "Gateway($url)"
}

/**
 * A token for this user from the gateway at this address, as [Gateway.devToken]. `rootCertificates` (PEM) are trusted beside the
 * operating system's.
 *
 * @throws ConfigException for an unusable address.
 * @throws SystemRefusedException when the gateway is not in development mode.
 * @throws PhoneException as [Gateway.devToken].
 */
public suspend fun devToken(gateway: String, user: String, rootCertificates: List<String> = emptyList()): DevToken {
    Process.attend()
    return DevToken(answer { org.ewebrtc.ffi.devToken(gateway, user, rootCertificates) })
}
