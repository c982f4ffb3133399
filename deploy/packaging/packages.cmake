# Debian packages, one for each component of `cmake --install`: `cpack` in a release build makes them.
#
#   -DNTS_PACKAGE_RELEASE=2            the part of the version after the dash
#   -DNTS_PACKAGE_MAINTAINER="A <B>"   who is to be asked about them

set(NTS_PACKAGE_RELEASE 1 CACHE STRING "Revision of the Debian packages of one version")
set(NTS_PACKAGE_MAINTAINER "NTS server farm authors <nts-farm@example.net>" CACHE STRING
    "Maintainer of the Debian packages")

set(packaging_dir ${CMAKE_CURRENT_LIST_DIR})
# systemd where it runs; in a container the two programs that make users and directories are enough.
set(sysusers "systemd | systemd-standalone-sysusers | systemd-sysusers")
set(tmpfiles "systemd | systemd-standalone-tmpfiles | systemd-tmpfiles")

# nts_package(NAME DESCRIPTION TEXT
#     [UNITS UNIT...]      to be enabled by the administrator
#     [TEMPLATES UNIT...]  the same, by instances
#     [RESTART UNIT...]    what an upgrade restarts if it runs; systemd's patterns may be among them
#     [CONFIG FILE...]     of deploy/config, that become configuration files in /etc/nts
#     [DEPENDS D...] [RECOMMENDS D...] [SUGGESTS D...])
# What the component of this name installs is what the package holds. Its shared libraries are found by
# dpkg-shlibdeps.
function(nts_package name)
    cmake_parse_arguments(PARSE_ARGV 1 package "" "DESCRIPTION"
        "UNITS;RESTART;TEMPLATES;CONFIG;DEPENDS;RECOMMENDS;SUGGESTS")
    set(dir ${CMAKE_BINARY_DIR}/packaging/${name})
    set(doc_dir share/doc/${name})

    # Maintainer scripts.
    set(package_stop ${package_RESTART} ${package_UNITS})
    list(REMOVE_DUPLICATES package_stop)
    foreach(list UNITS RESTART TEMPLATES stop)
        list(JOIN package_${list} " " package_${list})
    endforeach()
    set(package_name ${name})
    foreach(script postinst prerm postrm)
        configure_file(${packaging_dir}/maintainer/${script}.in ${dir}/${script} @ONLY
            FILE_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE
                WORLD_READ WORLD_EXECUTE)
        list(APPEND control ${dir}/${script})
    endforeach()

    # Configuration that an upgrade leaves as the administrator has made it. Only packages hold it:
    # `cmake --install` must not write over it.
    set(conffiles "")
    foreach(file ${package_CONFIG})
        install(FILES ${PROJECT_SOURCE_DIR}/deploy/config/${file} DESTINATION /etc/nts
            COMPONENT ${name} EXCLUDE_FROM_ALL)
        string(APPEND conffiles "/etc/nts/${file}\n")
    endforeach()
    if(conffiles)
        file(WRITE ${dir}/conffiles "${conffiles}")
        list(APPEND control ${dir}/conffiles)
    endif()

    # What policy wants beside the files; compress-documents.cmake compresses the changelog.
    string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)
    configure_file(${packaging_dir}/changelog.in ${dir}/changelog.Debian @ONLY)
    configure_file(${packaging_dir}/lintian-overrides.in ${dir}/lintian-overrides @ONLY)
    install(FILES ${dir}/changelog.Debian DESTINATION ${doc_dir} COMPONENT ${name} EXCLUDE_FROM_ALL)
    install(FILES ${packaging_dir}/copyright DESTINATION ${doc_dir} COMPONENT ${name}
        EXCLUDE_FROM_ALL)
    install(FILES ${dir}/lintian-overrides DESTINATION share/lintian/overrides RENAME ${name}
        COMPONENT ${name} EXCLUDE_FROM_ALL)

    string(TOUPPER ${name} upper)
    list(JOIN package_DEPENDS ", " depends)
    list(JOIN package_RECOMMENDS ", " recommends)
    list(JOIN package_SUGGESTS ", " suggests)
    set(CPACK_DEBIAN_${upper}_PACKAGE_NAME ${name} PARENT_SCOPE)
    set(CPACK_DEBIAN_${upper}_DESCRIPTION "${package_DESCRIPTION}" PARENT_SCOPE)
    set(CPACK_DEBIAN_${upper}_PACKAGE_DEPENDS "${depends}" PARENT_SCOPE)
    set(CPACK_DEBIAN_${upper}_PACKAGE_RECOMMENDS "${recommends}" PARENT_SCOPE)
    set(CPACK_DEBIAN_${upper}_PACKAGE_SUGGESTS "${suggests}" PARENT_SCOPE)
    set(CPACK_DEBIAN_${upper}_PACKAGE_CONTROL_EXTRA "${control}" PARENT_SCOPE)
    set(CPACK_COMPONENTS_ALL ${CPACK_COMPONENTS_ALL} ${name} PARENT_SCOPE)
endfunction()

set(CPACK_COMPONENTS_ALL "")
nts_package(nts-ke-server
    DESCRIPTION "NTS key establishment server of an NTS server farm
Terminates TLS, negotiates, and hands out the cookies that clients show to
the time servers (RFC 8915). Any number of time servers can stand behind it;
a keyring file is all that couples them.
.
It is neither enabled nor started before it has a certificate and a keyring."
    UNITS nts-ke-server.service nts-ke-server.socket
    RESTART nts-ke-server.service
    CONFIG ke-server.json
    DEPENDS ${sysusers} ${tmpfiles}
    RECOMMENDS "nts-farm-tools")
nts_package(nts-time-server
    DESCRIPTION "NTP server with Network Time Security of an NTS server farm
Answers NTP, with and without NTS (RFC 8915). It holds no certificate and no
state of any client, so that any number of them, behind any addresses, can
answer any client. It never sets the clock: an NTP server such as chrony does.
.
It is neither enabled nor started before it has a keyring."
    UNITS nts-time-server.service
    RESTART nts-time-server.service "nts-time-server@*.service"
    TEMPLATES nts-time-server@.service
    CONFIG time-server.json
    DEPENDS ${sysusers} ${tmpfiles}
    RECOMMENDS "nts-farm-tools" "chrony | time-daemon")
nts_package(nts-farm-tools
    DESCRIPTION "operator's tools of an NTS server farm
nts-keys makes, rotates, revokes, signs and seals the master keys of the farm;
scripts and units bring them to the servers, by ssh or through etcd. nts-probe
asks a server for time as a client does and tells what it saw, as a monitoring
plugin too. nts-load puts a measured load on a server."
    UNITS nts-keys-agent.service nts-keys-rotate.timer
    RESTART nts-keys-agent.service nts-keys-rotate.timer
    DEPENDS ${sysusers} "jq"
    RECOMMENDS "openssh-client" "rsync"
    SUGGESTS "etcd-client")

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME ${PROJECT_NAME})
set(CPACK_PACKAGE_VENDOR "")
set(CPACK_PACKAGE_CONTACT "${NTS_PACKAGE_MAINTAINER}")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "") # each package has its own
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING ONE_PER_GROUP)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE ${NTS_PACKAGE_RELEASE})
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
# /usr and /etc, whatever prefix the build was configured with.
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_PRE_BUILD_SCRIPTS ${packaging_dir}/compress-documents.cmake)
include(CPack)
