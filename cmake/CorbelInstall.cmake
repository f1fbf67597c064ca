# What `cmake --install` lays down beside the floors: the program, the package for find_package(corbel), the zoo.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/corbel)
get_property(CORBEL_CORE_FLOORS GLOBAL PROPERTY corbelCoreTargets)
get_property(CORBEL_TRAINING_FLOORS GLOBAL PROPERTY corbelTrainingTargets)

install(EXPORT corbelCoreTargets NAMESPACE corbel:: DESTINATION ${package_folder})
if(CORBEL_TRAINING_FLOORS)
  install(EXPORT corbelTrainingTargets NAMESPACE corbel:: DESTINATION ${package_folder})
endif()
configure_package_config_file(cmake/corbelConfig.cmake.in ${CMAKE_BINARY_DIR}/corbelConfig.cmake
                              INSTALL_DESTINATION ${package_folder})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/corbelConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/corbelConfig.cmake ${CMAKE_BINARY_DIR}/corbelConfigVersion.cmake
        DESTINATION ${package_folder})

install(TARGETS corbel RUNTIME)
# The program looks for it in ../share/corbel, seen from its own folder.
install(DIRECTORY zoo DESTINATION share/corbel)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
