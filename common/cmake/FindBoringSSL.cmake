# Finds BoringSSL, and nothing that only looks like it.
#
#   -DBORINGSSL_ROOT=DIR   an upstream source tree with a build/ in it, or an install prefix
#   otherwise              Debian's android-libboringssl-dev
#
# Defines BoringSSL::ssl, BoringSSL::crypto, BoringSSL_ORIGIN ("debian" or "upstream").

set(BORINGSSL_ROOT "" CACHE PATH "Upstream BoringSSL: source tree with build/, or install prefix")

unset(BoringSSL_INCLUDE_DIR CACHE)
unset(BoringSSL_SSL_LIBRARY CACHE)
unset(BoringSSL_CRYPTO_LIBRARY CACHE)

if(BORINGSSL_ROOT)
    set(BoringSSL_ORIGIN upstream)
    find_path(BoringSSL_INCLUDE_DIR openssl/is_boringssl.h
        PATHS ${BORINGSSL_ROOT}/include NO_DEFAULT_PATH)
    foreach(name ssl crypto)
        string(TOUPPER ${name} upper)
        find_library(BoringSSL_${upper}_LIBRARY NAMES lib${name}.a ${name}
            PATHS ${BORINGSSL_ROOT}/build ${BORINGSSL_ROOT}/build/${name}
                  ${BORINGSSL_ROOT}/lib ${BORINGSSL_ROOT}/${CMAKE_INSTALL_LIBDIR}
            NO_DEFAULT_PATH)
    endforeach()
else()
    set(BoringSSL_ORIGIN debian)
    find_path(BoringSSL_INCLUDE_DIR openssl/is_boringssl.h
        PATHS /usr/include/android NO_DEFAULT_PATH)
    foreach(name ssl crypto)
        string(TOUPPER ${name} upper)
        find_library(BoringSSL_${upper}_LIBRARY NAMES ${name}
            PATHS /usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/android NO_DEFAULT_PATH)
    endforeach()
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(BoringSSL
    REQUIRED_VARS BoringSSL_SSL_LIBRARY BoringSSL_CRYPTO_LIBRARY BoringSSL_INCLUDE_DIR
    REASON_FAILURE_MESSAGE "install Debian's android-libboringssl-dev (deploy/install-packages does), or name an upstream tree or prefix with -DBORINGSSL_ROOT=DIR")

if(BoringSSL_FOUND AND NOT TARGET BoringSSL::crypto)
    add_library(BoringSSL::crypto UNKNOWN IMPORTED)
    set_target_properties(BoringSSL::crypto PROPERTIES
        IMPORTED_LOCATION ${BoringSSL_CRYPTO_LIBRARY}
        INTERFACE_INCLUDE_DIRECTORIES ${BoringSSL_INCLUDE_DIR}
        INTERFACE_COMPILE_DEFINITIONS "NTS_BORINGSSL_ORIGIN=\"${BoringSSL_ORIGIN}\"")
    add_library(BoringSSL::ssl UNKNOWN IMPORTED)
    set_target_properties(BoringSSL::ssl PROPERTIES
        IMPORTED_LOCATION ${BoringSSL_SSL_LIBRARY}
        INTERFACE_LINK_LIBRARIES BoringSSL::crypto)
    if(BoringSSL_ORIGIN STREQUAL "upstream")
        # Upstream builds static libraries that need the C++ runtime.
        set_property(TARGET BoringSSL::crypto APPEND PROPERTY
            INTERFACE_LINK_LIBRARIES stdc++ pthread)
    else()
        get_filename_component(boringssl_dir ${BoringSSL_CRYPTO_LIBRARY} DIRECTORY)
        set_property(TARGET BoringSSL::crypto APPEND PROPERTY
            INTERFACE_LINK_OPTIONS "-Wl,-rpath,${boringssl_dir}")
    endif()
endif()
mark_as_advanced(BoringSSL_INCLUDE_DIR BoringSSL_SSL_LIBRARY BoringSSL_CRYPTO_LIBRARY)
