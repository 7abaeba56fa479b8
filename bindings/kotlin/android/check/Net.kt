/* Stand-ins for android.net. */
@file:Suppress("UNUSED_PARAMETER", "unused")

package android.net

class Network

class ConnectivityManager {
    open class NetworkCallback {
        open fun onAvailable(network: Network) = Unit

        open fun onLost(network: Network) = Unit
    }

    fun registerDefaultNetworkCallback(callback: NetworkCallback) = Unit

    fun unregisterNetworkCallback(callback: NetworkCallback) = Unit
}
