/* Stand-ins for android.content.pm. */
package android.content.pm

object ServiceInfo {
    const val FOREGROUND_SERVICE_TYPE_MICROPHONE = 128
}
